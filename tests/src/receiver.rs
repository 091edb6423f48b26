//! An HTTP/1.1 receiver on loopback that records every request and responds as configured.
//!
//! One thread serves any number of connections, kept alive. What a path answers is a function of the request
//! ([`Receiver::on`]); a path that was given none answers `200 ok`. Requests are recorded when their body is
//! complete; waiting for them ([`Receiver::wait_for`]) sleeps on a condition variable and never polls.

use base64::Engine as _;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// When its head had been read, on the monotonic clock.
    pub at: Instant,
    /// The same moment in milliseconds since 1970.
    pub unix_ms: i64,
    /// How many requests this path had seen before it.
    pub nth: usize,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers in the order they came, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Bytes,
}

impl Received {
    /// The first header of that name (in lower case), if any.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The message id, in whichever family of headers it came.
    pub fn message_id(&self) -> Option<&str> {
        self.header("svix-id").or_else(|| self.header("webhook-id"))
    }
}

/// What a path answers.
#[derive(Debug, Clone)]
pub struct Answer {
    how: How,
    delay: Duration,
}

#[derive(Debug, Clone)]
enum How {
    Reply { status: u16, headers: Vec<(String, String)>, body: Reply },
    Hang,
    Close,
}

#[derive(Debug, Clone)]
enum Reply {
    Whole(Bytes),
    Drip { chunk: Bytes, every: Duration, times: usize },
}

/// 200 MiB of zeros, compressed.
const BOMB: &str = "y///P/gnAOKxQCD3/o///3/wTwDEYRGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/x///P/gnAOKwAED3/o///3/wTwDEYQGA7v0f////4J8AiMMCAN37P/7//8E/ARCHBQC693/8//+DfwIgDgsAdO//+P//B/8EQBwWAOje//H//w/+CYA4LADQvf/j//8f/BMAcVgAoHv/l///f/gnAOKwAED3/g8=";

impl Answer {
    /// `200 ok`.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// `200` with 317 bytes of Brotli that decompress to 200 MiB of zeros.
    pub fn bomb() -> Self {
        let bytes = base64::engine::general_purpose::STANDARD.decode(BOMB).expect("base64");
        Self::ok().header("content-encoding", "br").body(bytes)
    }

    /// A status with a short body that names it.
    pub fn status(status: u16) -> Self {
        let body = if status == 200 { "ok".to_owned() } else { format!("answered {status}") };
        let body = if status == 204 { String::new() } else { body };
        let how = How::Reply { status, headers: Vec::new(), body: Reply::Whole(Bytes::from(body)) };
        Self { how, delay: Duration::ZERO }
    }

    /// Reads the request and never answers; the connection stays open.
    pub fn hang() -> Self {
        Self { how: How::Hang, delay: Duration::ZERO }
    }

    /// Reads the request and closes the connection without an answer.
    pub fn close() -> Self {
        Self { how: How::Close, delay: Duration::ZERO }
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        if let How::Reply { headers, .. } = &mut self.how {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        if let How::Reply { body, .. } = &mut self.how {
            *body = Reply::Whole(bytes.into());
        }
        self
    }

    /// Sends the head at once, then `chunk` again and again, `times` in all.
    #[must_use]
    pub fn drip(mut self, bytes: impl Into<Bytes>, every: Duration, times: usize) -> Self {
        if let How::Reply { body, .. } = &mut self.how {
            *body = Reply::Drip { chunk: bytes.into(), every, times };
        }
        self
    }

    /// Waits before the head.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

type Script = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

struct Place {
    script: Script,
    keep: bool,
    seen: usize,
    kept: Vec<Received>,
}

impl Default for Place {
    fn default() -> Self {
        Self { script: Arc::new(|_| Answer::ok()), keep: true, seen: 0, kept: Vec::new() }
    }
}

#[derive(Default)]
struct Shared {
    places: Mutex<HashMap<String, Place>>,
    changed: Condvar,
    open: AtomicUsize,
    peak: AtomicUsize,
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A receiver; dropping it closes every connection.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Listens on a free port of 127.0.0.1.
    pub fn start() -> Self {
        let listener = listen().expect("a port on loopback");
        let address = listener.local_addr().expect("the listener's address");
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || serve(listener, shared, stopped)
            })
            .expect("a thread for the receiver");
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers requests at `path` (without query) by `script`.
    pub fn on(&self, path: &str, script: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.shared.places().entry(path.to_owned()).or_default().script = Arc::new(script);
    }

    /// Answers every request at `path` alike.
    pub fn always(&self, path: &str, answer: Answer) {
        self.on(path, move |_| answer.clone());
    }

    /// Counts the requests at `path` but keeps none of them; the script still sees each.
    pub fn count_only(&self, path: &str) {
        self.shared.places().entry(path.to_owned()).or_default().keep = false;
    }

    /// How many requests `path` has seen.
    pub fn count(&self, path: &str) -> usize {
        self.shared.places().get(path).map_or(0, |place| place.seen)
    }

    /// How many requests are unanswered now, over all paths.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// The most requests that were ever unanswered together.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// What `path` has received so far, in order of arrival.
    pub fn received(&self, path: &str) -> Vec<Received> {
        self.shared.places().get(path).map_or_else(Vec::new, |place| place.kept.clone())
    }

    /// Waits until `path` has received `n` requests and gives all it has.
    #[track_caller]
    pub fn wait_for(&self, path: &str, n: usize, timeout: Duration) -> Vec<Received> {
        let all = self.wait_until(path, timeout, |kept| kept.len() >= n);
        assert!(all.len() >= n, "{path} received {} of {n} requests within {timeout:?}", all.len());
        all
    }

    /// Waits for the first request at `path`.
    #[track_caller]
    pub fn wait_for_one(&self, path: &str, timeout: Duration) -> Received {
        self.wait_for(path, 1, timeout).swap_remove(0)
    }

    /// Waits until `path` has seen `n` requests, kept or not; false when they do not come in time.
    pub fn wait_count(&self, path: &str, n: usize, timeout: Duration) -> bool {
        let (_places, result) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.places(), timeout, |places| {
                places.get(path).is_none_or(|place| place.seen < n)
            })
            .unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Waits until `enough` holds for what `path` has received, or the time is over; gives what is there.
    pub fn wait_until(
        &self,
        path: &str,
        timeout: Duration,
        enough: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        let (places, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.places(), timeout, |places| {
                !places.get(path).map_or_else(|| enough(&[]), |place| enough(&place.kept))
            })
            .unwrap_or_else(PoisonError::into_inner);
        places.get(path).map_or_else(Vec::new, |place| place.kept.clone())
    }

    /// Asserts that `path` has received exactly `n` requests and gets no further one for `quiet`.
    #[track_caller]
    pub fn settles_at(&self, path: &str, n: usize, quiet: Duration) -> Vec<Received> {
        let all = self.wait_until(path, quiet, |kept| kept.len() > n);
        assert_eq!(all.len(), n, "requests at {path}, {quiet:?} later");
        all
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen() -> io::Result<std::net::TcpListener> {
    // Tokio's socket, for its backlog: the standard library's 128 is too short for hundreds at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        socket.listen(4096)?.into_std()
    })
}

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener");
        tokio::select! {
            () = accept(listener, shared) => {}
            _ = stopped => {}
        }
    });
    // Dropping the runtime drops every connection, the hanging ones too.
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await; // out of descriptors: let some close
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(Arc::clone(&shared), request));
            // An error here is a peer that went away, or `Answer::close`.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Counts a request as unanswered for as long as it lives, also when its connection is dropped.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        let now = shared.open.fetch_add(1, Ordering::Relaxed) + 1;
        shared.peak.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Outgoing>> {
    let _open = Open::new(&shared);
    let (at, unix_ms) = (Instant::now(), unix_ms());
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let path = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let mut received = Received { at, unix_ms, nth: 0, method: head.method.to_string(), path, headers, body };
    let script = {
        let mut places = shared.places();
        let key = head.uri.path();
        if !places.contains_key(key) {
            places.insert(key.to_owned(), Place::default());
        }
        let place = places.get_mut(key).expect("inserted above");
        received.nth = place.seen;
        place.seen += 1;
        if place.keep {
            place.kept.push(received.clone());
        }
        Arc::clone(&place.script)
    };
    let answer = script(&received);
    shared.changed.notify_all();
    if !answer.delay.is_zero() {
        tokio::time::sleep(answer.delay).await;
    }
    match answer.how {
        How::Close => Err(io::Error::other("closed as told")),
        How::Hang => std::future::pending().await,
        How::Reply { status, headers, body } => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Outgoing::from(body)).map_err(io::Error::other)
        }
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

enum Outgoing {
    Whole(Option<Bytes>),
    Drip { chunk: Bytes, every: Duration, left: usize, sleep: Pin<Box<Sleep>> },
}

impl From<Reply> for Outgoing {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Whole(bytes) => Outgoing::Whole(Some(bytes)),
            Reply::Drip { chunk, every, times } => Outgoing::Drip {
                chunk,
                every,
                left: times,
                sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            },
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Outgoing::Whole(bytes) => {
                Poll::Ready(bytes.take().filter(|b| !b.is_empty()).map(|bytes| Ok(Frame::data(bytes))))
            }
            Outgoing::Drip { left: 0, .. } => Poll::Ready(None),
            Outgoing::Drip { chunk, every, left, sleep } => {
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                *left -= 1;
                sleep.as_mut().reset(tokio::time::Instant::now() + *every);
                Poll::Ready(Some(Ok(Frame::data(chunk.clone()))))
            }
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Outgoing::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Outgoing::Drip { .. } => hyper::body::SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Outgoing::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Outgoing::Drip { left, .. } => *left == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn post(url: &str, body: &str) -> Result<Response<ureq::Body>, ureq::Error> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(300)))
            .build()
            .into();
        agent.post(url).header("X-One", "1").header("x-two", "2").send(body)
    }

    #[test]
    fn every_request_is_recorded_as_it_came() {
        let receiver = Receiver::start();
        assert_eq!(post(&receiver.url("/a?b=c"), "{\"n\": 1.0}").unwrap().status(), 200);
        let got = receiver.wait_for_one("/a", SOON);
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/a?b=c"));
        assert_eq!(&got.body[..], b"{\"n\": 1.0}");
        assert_eq!(got.header("x-one"), Some("1"));
        let order: Vec<_> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
        let place = |name| order.iter().position(|n| *n == name).unwrap();
        assert!(place("x-one") < place("x-two"), "{order:?}");
        assert!((unix_ms() - got.unix_ms).abs() < 5000);
    }

    #[test]
    fn a_script_sees_how_many_came_before() {
        let receiver = Receiver::start();
        receiver.on("/flaky", |r| if r.nth < 2 { Answer::status(503) } else { Answer::ok() });
        let url = receiver.url("/flaky");
        let statuses: Vec<_> = (0..3).map(|_| post(&url, "x").unwrap().status().as_u16()).collect();
        assert_eq!(statuses, [503, 503, 200]);
        receiver.settles_at("/flaky", 3, Duration::from_millis(20));
    }

    #[test]
    fn it_hangs_drips_and_closes_on_demand() {
        let receiver = Receiver::start();
        receiver.always("/hang", Answer::hang());
        receiver.always("/close", Answer::close());
        receiver.always("/drip", Answer::ok().drip("..", Duration::from_millis(50), 100));
        assert!(matches!(post(&receiver.url("/hang"), "x"), Err(ureq::Error::Timeout(_))));
        assert!(
            matches!(post(&receiver.url("/close"), "x"), Err(e) if !matches!(e, ureq::Error::Timeout(_)))
        );
        let mut dripping = post(&receiver.url("/drip"), "x").unwrap();
        assert_eq!(dripping.status(), 200);
        assert!(dripping.body_mut().read_to_string().is_err(), "the body outlasts the client's patience");
        assert_eq!(receiver.count("/hang") + receiver.count("/close") + receiver.count("/drip"), 3);
    }

    #[test]
    fn headers_bodies_and_delays_are_as_scripted() {
        let receiver = Receiver::start();
        let answer = Answer::status(302)
            .header("location", "/elsewhere")
            .body(vec![b'x'; 1 << 20])
            .after(Duration::from_millis(40));
        receiver.always("/r", answer);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().max_redirects(0).max_redirects_will_error(false).build().into();
        let begun = Instant::now();
        let mut response = agent.post(receiver.url("/r")).send("x").unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(40));
        assert_eq!(response.headers()["location"], "/elsewhere");
        assert_eq!(response.body_mut().read_to_vec().unwrap().len(), 1 << 20);
    }

    #[test]
    fn counting_without_keeping_is_enough_to_wait() {
        let receiver = Receiver::start();
        receiver.count_only("/n");
        let _ = post(&receiver.url("/n"), "x");
        assert!(receiver.wait_count("/n", 1, SOON));
        assert!(!receiver.wait_count("/n", 2, Duration::from_millis(10)));
        assert!(receiver.received("/n").is_empty());
    }
}
