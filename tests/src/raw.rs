//! A receiver that responds with raw bytes, which no HTTP server would send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Listens for as long as the test runs.
pub struct Raw {
    port: u16,
    seen: Arc<AtomicUsize>,
}

impl Raw {
    /// Reads each request, answers it with these bytes, and closes the connection.
    pub fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let port = listener.local_addr().expect("the listener's address").port();
        let seen = Arc::new(AtomicUsize::new(0));
        let (answer, count) = (Arc::new(answer.into()), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let (answer, count) = (Arc::clone(&answer), Arc::clone(&count));
                std::thread::spawn(move || {
                    // An error is a peer that went away, which may be just what is tested.
                    let _ = serve(stream, &answer, &count);
                });
            }
        });
        Self { port, seen }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The same for whoever speaks TLS, which it does not.
    pub fn secure_url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }

    /// How many requests it has seen.
    pub fn count(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, answer: &[u8], seen: &AtomicUsize) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        request.extend(buffer.iter().take(count));
    }
    seen.fetch_add(1, Ordering::SeqCst);
    stream.write_all(answer)?;
    stream.shutdown(Shutdown::Write)?;
    // Closing with bytes unread would reset the connection before the answer is read.
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn is_whole(request: &[u8]) -> bool {
    if request.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return true; // it speaks TLS, for one
    }
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap_or(0))
    });
    body.len() >= length.unwrap_or(0usize)
}
