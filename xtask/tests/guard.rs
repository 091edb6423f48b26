//! The guard in `worker/runtime/guard.mjs`: calls that would hang after a panic are answered at once.
//!
//! The Worker behind it is a stand-in whose instance dies on request, as the real one does: it flips
//! `criticalError` and never settles the calls it has taken.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use xtask::local::{Gateway, Options, scratch};

const STAND_IN: &str = r#"
const state = (globalThis.__worker_init_state = { criticalError: false });
const hang = () => new Promise((resolve) => setTimeout(resolve, 60_000));
const alarms = [];
class Object {
  constructor(state) { this.storage = state.storage; }
  async call(op) {
    switch (op) {
      case "/object/hang": return hang();
      case "/object/die": state.criticalError = true; return new Promise(() => {});
      case "/object/alarm": await this.storage.setAlarm(Date.now()); return "set";
      case "/object/alarms": return String(alarms.length);
    }
    state.criticalError = false;
    return "object";
  }
  async alarm(info) {
    alarms.push(info);
    if (alarms.length > 1) return;
    state.criticalError = true;
    return new Promise(() => {});
  }
}
export class App extends Object {}
export class Directory extends Object {}
export class Endpoint extends Object {}
export class Front {
  constructor(env) { this.env = env; }
  admit() { return 65_536; }
  async begin(parts) {
    const path = new URL(parts.split("\n")[1]).pathname;
    if (path.startsWith("/object")) return new Response(await this.env.APP.getByName(path).call(path));
    if (path === "/throw") throw new Error("secret");
    if (path === "/hang") return hang();
    return new Response("worker");
  }
}
"#;

fn get(port: u16, path: &str) -> Result<String, String> {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("{path}: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    Ok(format!("{status} {}", answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)))
}

#[test]
fn when_the_instance_dies_every_call_under_way_fails_at_once_and_later_ones_work() -> Result<(), String> {
    let dir = scratch("guard")?;
    let worker = dir.join("worker");
    fs::create_dir_all(&worker).map_err(|e| e.to_string())?;
    xtask::build::bundle(&worker)?;
    fs::write(worker.join("index.js"), STAND_IN).map_err(|e| e.to_string())?;
    for (name, text) in
        [("plugins.mjs", "export const bundled = [];"), ("assets.mjs", "export const assets = {};")]
    {
        fs::write(worker.join(name), text).map_err(|e| e.to_string())?;
    }
    let mut options = Options::new(dir.join("data"));
    options.worker_dir = Some(worker);
    let gateway = Gateway::start(&options)?;
    let port = gateway.port();

    assert_eq!(get(port, "/any")?, "200 worker");
    assert_eq!(get(port, "/object")?, "200 object");
    let failure = r#"503 {"code":"unavailable","detail":"The gateway is temporarily unavailable. Send the request again in a moment."}"#;
    assert_eq!(get(port, "/throw")?, failure, "an exception is told to the log, not to the caller");

    let start = Instant::now();
    let waiting = ["/hang", "/object/hang"].map(|path| thread::spawn(move || get(port, path)));
    thread::sleep(Duration::from_millis(300));
    assert_eq!(get(port, "/object/die")?, failure);
    for call in waiting {
        assert_eq!(call.join().map_err(|_| "a caller panicked")??, failure);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "nobody waits: {:?}", start.elapsed());
    assert_eq!(get(port, "/object")?, "200 object");

    // An alarm that dies is tried again within seconds, by the platform's own retries.
    assert_eq!(get(port, "/object/alarm")?, "200 set");
    let start = Instant::now();
    while get(port, "/object/alarms")? != "200 2" {
        assert!(start.elapsed() < Duration::from_secs(20), "the alarm never came again: {}", gateway.log());
        thread::sleep(Duration::from_millis(100));
    }
    drop(gateway);
    fs::remove_dir_all(&dir).map_err(|e| e.to_string())
}
