//! A load generator: a number of connections, each of which sends its next message when the previous one is answered.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// What to do.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where messages are posted to.
    pub url: String,
    /// The bearer token.
    pub token: String,
    /// How many connections send at once.
    pub connections: usize,
    /// For how long new messages are sent.
    pub time: Duration,
}

/// One message that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Its number: they count from zero over all connections.
    pub n: usize,
    /// When its request was written.
    pub begun: Instant,
    /// When its answer had been read to the end.
    pub answered: Instant,
    /// The answer's status.
    pub status: u16,
}

/// What went wrong with a connection.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Sends messages whose payload is `payload(n)` until the time is over; gives all of them once the last is answered.
///
/// # Errors
/// The first connection that cannot be opened or breaks.
pub fn run(job: &Job, payload: fn(usize) -> String) -> Result<Vec<Sent>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let next = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let end = Instant::now() + job.time;
        let tasks: Vec<_> = (0..job.connections)
            .map(|_| tokio::spawn(connection(job.clone(), Arc::clone(&next), end, payload)))
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await??);
        }
        Ok(all)
    })
}

async fn connection(
    job: Job,
    next: Arc<AtomicUsize>,
    end: Instant,
    payload: fn(usize) -> String,
) -> Result<Vec<Sent>, Error> {
    let uri: hyper::Uri = job.url.parse()?;
    let host = uri.authority().ok_or("a URL with a host")?.as_str().to_owned();
    let path = uri.path().to_owned();
    let stream = TcpStream::connect(&host).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let bearer = format!("Bearer {}", job.token);
    let mut sent = Vec::new();
    while Instant::now() < end {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let body = crate::json::message("email.delivered", &payload(n));
        let request = Request::post(path.as_str())
            .header("host", &host)
            .header("authorization", &bearer)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        sender.ready().await?;
        let begun = Instant::now();
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        sent.push(Sent { n, begun, answered: Instant::now(), status });
    }
    Ok(sent)
}
