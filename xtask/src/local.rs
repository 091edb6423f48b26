//! The gateway on this machine: the Worker on the `workerd` binary, without Cloudflare and without Node.
//!
//! It listens on 127.0.0.1 only and keeps its data in one directory, which no second gateway can use at the same time.
//! Stopping is always SIGKILL: on SIGTERM workerd waits for requests that hang, and being killed at any moment is what
//! the gateway is built to survive.
//!
//! No workerd outlives the process that started it, however that ends. A watchdog (a `sh` that reads from a pipe)
//! kills it when the pipe closes, and the system closes the pipe when this process is gone. That needs no unsafe
//! code, works on Linux and macOS alike and, unlike the kernel's parent-death signal, does not mind which thread
//! started the gateway.

use crate::{build, failed, tools};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use weir_core::rng::{Entropy, System};
use weir_core::target::Cidr;

/// The file that a running gateway holds in its data directory.
const IN_USE: &str = "in-use";
/// How long a gateway may take until it answers.
const START: Duration = Duration::from_mins(1);
/// How much of workerd's output is kept.
const LOG: usize = 1 << 20;
/// The runtime's behavior, as in `wrangler.toml`; a test compares them.
const COMPATIBILITY_DATE: &str = "2026-11-01";
/// Without Node's globals, which the Worker has no use for: its timers are objects, and the `worker` crate panics on
/// them where it expects numbers.
const COMPATIBILITY_FLAGS: [&str; 2] = ["no_nodejs_compat", "no_nodejs_compat_v2"];
/// The Durable Objects: binding, class, and the name of the directory that holds their databases.
const OBJECTS: [(&str, &str, &str); 3] = [
    ("DIRECTORY", "Directory", "weir-directory"),
    ("APP", "App", "weir-app"),
    ("ENDPOINT", "Endpoint", "weir-endpoint"),
];

/// How many isolates uploaded plugins get where they have isolates of their own: workerd never frees one. What comes
/// after runs in the interpreter.
const ISOLATES: u32 = 64;
/// The binding that says so. It is no setting: Cloudflare frees isolates itself.
pub const LOADER_ISOLATES: &str = "LOADER_ISOLATES";

/// What the emulator of production needs besides.
const PRODUCTION_FLAG: &str = "nodejs_als";
/// The emulator's modules, below the repository's root, and their directory among the Worker's.
const PRODUCTION_DIR: &str = "tests/production";
const PRODUCTION_MODULES: &str = "production";

/// The rules of deployed Cloudflare that a gateway is tested under; `tests/production/` enforces them.
#[derive(Debug, Clone, PartialEq)]
pub struct Production {
    /// The plan whose limits apply.
    pub profile: Profile,
    /// Rules that differ from the profile, by their names in `tests/production/rules.mjs`.
    pub rules: BTreeMap<String, serde_json::Value>,
    /// Whether the App objects run in an isolate of their own, so that their memory can be measured.
    pub apart: bool,
}

/// A plan of Cloudflare's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Workers Paid.
    Paid,
    /// Workers Free.
    Free,
}

impl Production {
    /// All rules of that plan.
    pub fn new(profile: Profile) -> Self {
        Self { profile, rules: BTreeMap::new(), apart: false }
    }

    /// The same with another value for a rule.
    #[must_use]
    pub fn rule(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.rules.insert(name.into(), value.into());
        self
    }

    /// The same with the App objects in an isolate of their own.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    /// As `tests/production/rules.mjs` reads it.
    fn json(&self) -> String {
        let profile = match self.profile {
            Profile::Paid => "paid",
            Profile::Free => "free",
        };
        let mut all: serde_json::Map<_, _> =
            self.rules.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        all.insert("profile".into(), profile.into());
        serde_json::Value::Object(all).to_string()
    }
}

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it keeps its data; made if it is not there.
    pub data: PathBuf,
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// The settings, as the Worker's variables.
    pub vars: BTreeMap<String, String>,
    /// Whether workerd's output also goes to stderr as it comes.
    pub verbose: bool,
    /// Whether uploaded plugins get isolates of their own, as with a `worker_loaders` binding in `wrangler.toml`.
    pub loader: bool,
    /// A Worker that is already built; without it the one named by `WEIR_WORKER_DIR`, else the release build.
    pub worker_dir: Option<PathBuf>,
    /// The rules of deployed Cloudflare to run it under; without them, workerd's own.
    pub production: Option<Production>,
}

impl Options {
    /// A gateway with its data in `data`, on a free port, that may deliver to receivers on this machine.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let vars = [
            ("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
            ("ALLOW_IP_ADDRESSES", "true"),
            ("MAX_IN_FLIGHT", "32"),
        ];
        Self {
            data: data.into(),
            port: 0,
            vars: vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            verbose: false,
            loader: false,
            worker_dir: None,
            production: None,
        }
    }

    /// The same with a setting.
    #[must_use]
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }
}

/// A running gateway. It is killed when this is dropped, or when the process ends in any other way.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    workerd: Child,
    watchdog: Option<Child>,
    log: Arc<Mutex<Vec<u8>>>,
    /// Held as long as the data directory is in use.
    _data: Arc<File>,
}

impl Gateway {
    /// Starts a gateway and waits until it answers.
    pub fn start(options: &Options) -> Result<Gateway, String> {
        let dir = match (&options.worker_dir, std::env::var_os(build::WORKER_DIR)) {
            (Some(dir), _) => dir.clone(),
            (None, Some(dir)) => PathBuf::from(dir),
            (None, None) => build::ensure_built(true)?,
        };
        let workerd = tools::workerd_path()?;
        let data = Arc::new(claim(&options.data)?);

        // A free port can be taken by someone else before workerd binds it; then there are others.
        let mut tries = if options.port == 0 { 5 } else { 1 };
        loop {
            tries -= 1;
            let port = free_port(options.port)?;
            let options = Options { port, ..options.clone() };
            let mut gateway = Gateway::spawn(&workerd, &options, &dir, Arc::clone(&data))?;
            match gateway.wait() {
                Ok(()) => return Ok(gateway),
                Err(_) if tries > 0 && gateway.log().contains("Address already in use") => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(workerd: &Path, options: &Options, dir: &Path, data: Arc<File>) -> Result<Gateway, String> {
        let config = options.data.join("gateway.capnp");
        write_private(&config, &capnp(options, dir)?)?;
        let mut child = Command::new(workerd)
            .args(["serve", "--experimental", "--import-path=/"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("workerd could not be started: {error}."))?;
        let log = Arc::new(Mutex::new(Vec::new()));
        for stream in [
            child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ] {
            let (log, verbose) = (Arc::clone(&log), options.verbose);
            thread::spawn(move || copy(stream, &log, verbose));
        }
        let watchdog = watch(child.id());
        Ok(Gateway { port: options.port, workerd: child, watchdog, log, _data: data })
    }

    /// Waits until it answers HTTP, dies, or has had time enough.
    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START;
        loop {
            if let Ok(Some(status)) = self.workerd.try_wait() {
                thread::sleep(Duration::from_millis(50)); // for its last words
                return Err(format!(
                    "workerd exited at startup ({status}). Its output:\n{}",
                    self.log().trim_end()
                ));
            }
            if answers(self.port) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "The gateway did not respond within {} seconds. Output of workerd:\n{}",
                    START.as_secs(),
                    self.log().trim_end()
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process id of workerd.
    pub fn pid(&self) -> u32 {
        self.workerd.id()
    }

    /// Kills it at once and waits until it is gone, as a crash does. Its data stays.
    pub fn kill(&mut self) {
        // The watchdog first: it must not outlive the process whose id it knows.
        if let Some(mut watchdog) = self.watchdog.take() {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
        let _ = self.workerd.kill();
        let _ = self.workerd.wait();
    }

    /// Waits until workerd ends by itself.
    pub fn wait_for_end(&mut self) -> String {
        match self.workerd.wait() {
            Ok(status) => format!("workerd ended ({status})."),
            Err(error) => format!("workerd could not be waited for: {error}."),
        }
    }

    /// What workerd has printed so far (the last mebibyte of it).
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Refuses a port or a data directory that another process is using, before time is spent on a build.
pub fn check_free(options: &Options) -> Result<(), String> {
    claim(&options.data)?;
    free_port(options.port)?;
    Ok(())
}

/// The configuration of workerd for a Worker in `dir`: all its modules, `entry.mjs` as the main one.
pub fn capnp(options: &Options, dir: &Path) -> Result<String, String> {
    let dir = dir.canonicalize().map_err(failed("find the Worker in", dir))?;
    let data = options.data.canonicalize().map_err(failed("find", &options.data))?;
    let mut modules = Vec::new();
    if options.production.is_some() {
        let dir = crate::root().join(PRODUCTION_DIR);
        for name in list(&dir)? {
            modules.push((format!("{PRODUCTION_MODULES}/{name}"), dir.join(&name)));
        }
    }
    for name in list(&dir)? {
        let path = dir.join(&name);
        modules.push((name, path));
    }
    Ok(config(options, &data.to_string_lossy(), &modules))
}

/// The files of a directory by name, the main module first.
fn list(dir: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        names.push(entry.map_err(failed("list", dir))?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_key(|name| (name != build::ENTRY, name.clone()));
    Ok(names)
}

/// The configuration for these modules, name and file; the first is the main one.
fn config(options: &Options, data: &str, files: &[(String, PathBuf)]) -> String {
    let mut modules = String::new();
    for (name, file) in files {
        let kind = match name.rsplit_once('.') {
            Some((_, "js" | "mjs")) => "esModule",
            Some((_, "wasm")) => "wasm",
            _ => continue,
        };
        let path = quoted(&file.to_string_lossy());
        let _ = writeln!(modules, "    (name = {}, {kind} = embed {path}),", quoted(name));
    }
    let apart = options.production.as_ref().is_some_and(|production| production.apart);
    let mut bindings = String::new();
    if options.loader {
        let _ = writeln!(bindings, "    (name = \"LOADER\", workerLoader = ()),");
        if !options.vars.contains_key(LOADER_ISOLATES) {
            let _ = writeln!(bindings, "    (name = \"{LOADER_ISOLATES}\", text = \"{ISOLATES}\"),");
        }
    }
    for (name, value) in &options.vars {
        let _ = writeln!(bindings, "    (name = {}, text = {}),", quoted(name), quoted(value));
    }
    let mut flags = COMPATIBILITY_FLAGS.map(quoted).to_vec();
    if let Some(production) = &options.production {
        flags.push(quoted(PRODUCTION_FLAG));
        let _ = writeln!(bindings, "    (name = \"PRODUCTION\", text = {}),", quoted(&production.json()));
    }
    let flags = flags.join(", ");
    let networks = networks(options).join(", ");
    let worker = |name: &str| {
        let (namespaces, objects) = objects(name, apart);
        format!(
            r#"
const {name} :Workerd.Worker = (
  compatibilityDate = "{COMPATIBILITY_DATE}",
  compatibilityFlags = [{flags}],
  modules = [
{modules}  ],
  durableObjectNamespaces = [
{namespaces}  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
{objects}{bindings}  ],
);
"#
        )
    };
    let (second, apps) = if apart {
        ("\n    (name = \"apps\", worker = .apps),", worker("apps"))
    } else {
        ("", String::new())
    };
    let (port, data, weir) = (options.port, quoted(data), worker("weir"));
    format!(
        r#"# Written at every start of the local gateway.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "weir", worker = .weir),{second}
    (name = "data", disk = (path = {data}, writable = true)),
    # Endpoints' addresses are chosen by strangers: whatever a name resolves to, only the public network is reached, and
    # the networks in ALLOWED_NETWORKS.
    (name = "internet", network = (
      allow = [{networks}],
      tlsOptions = (trustBrowserCas = true)
    )),
  ],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "weir")],
);
{weir}{apps}"#
    )
}

/// The networks that the gateway may connect to, quoted. A setting that cannot be read opens none; the gateway itself
/// says what is wrong with it.
fn networks(options: &Options) -> Vec<String> {
    let allowed = options.vars.get("ALLOWED_NETWORKS").map(String::as_str).unwrap_or_default();
    let allowed = allowed.split(',').filter_map(|network| network.trim().parse::<Cidr>().ok());
    let public = std::iter::once(quoted("public"));
    public.chain(allowed.map(|network| quoted(&network.to_string()))).collect()
}

/// The classes of objects that a service has, and the bindings of all. With `apart`, the service `apps` has the App objects.
fn objects(service: &str, apart: bool) -> (String, String) {
    let (mut namespaces, mut bindings) = (String::new(), String::new());
    for (binding, class, key) in OBJECTS {
        let home = if apart && class == "App" { "apps" } else { "weir" };
        let namespace = if home == service {
            let line = format!("    (className = \"{class}\", uniqueKey = \"{key}\", enableSql = true),");
            let _ = writeln!(namespaces, "{line}");
            format!("\"{class}\"")
        } else {
            format!("(className = \"{class}\", serviceName = \"{home}\")")
        };
        let _ = writeln!(bindings, "    (name = \"{binding}\", durableObjectNamespace = {namespace}),");
    }
    if apart && service == "weir" {
        bindings.push_str("    (name = \"APART\", service = \"apps\"),\n");
    }
    (namespaces, bindings)
}

/// A string literal of Cap'n Proto.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The secret that signs the tokens of the gateway whose data is in `data`: random, made when it is first asked for.
pub fn jwt_secret(data: &Path) -> Result<String, String> {
    make_data_dir(data)?;
    let path = data.join("jwt-secret");
    match fs::read_to_string(&path) {
        Ok(secret) if !secret.trim().is_empty() => return Ok(secret.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("Could not read {}: {error}.", path.display())),
    }
    let mut bytes = [0; 32];
    System.fill(&mut bytes);
    let mut secret = String::new();
    for byte in bytes {
        let _ = write!(secret, "{byte:02x}");
    }
    write_private(&path, &secret)?;
    Ok(secret)
}

/// An empty directory of this process alone, under `target/`; for tests and benchmarks.
pub fn scratch(name: &str) -> Result<PathBuf, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = crate::root().join(format!("target/tmp/{name}-{}-{unique}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
    Ok(dir)
}

/// Makes the data directory, which is its owner's alone: it holds secrets and payloads. One that was there is closed to
/// others if it is a gateway's or empty, so that `--data /tmp` takes nothing from anybody.
fn make_data_dir(data: &Path) -> Result<(), String> {
    let make = || {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(data)?;
        let ours = data.join(IN_USE).exists() || fs::read_dir(data)?.next().is_none();
        #[cfg(unix)]
        if ours {
            fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        Ok(())
    };
    make().map_err(|error: std::io::Error| {
        format!(
            "The data directory {} cannot be created ({error}). Choose another directory with --data.",
            data.display()
        )
    })
}

/// Takes the data directory for this process, as long as the file returned is open.
fn claim(data: &Path) -> Result<File, String> {
    make_data_dir(data)?;
    let file = File::create(data.join(IN_USE)).map_err(|error| {
        format!(
            "The data directory {} is not writable ({error}). Choose another directory with --data.",
            data.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "Another gateway is using the data directory {}. Stop it, or choose another directory with --data.",
            data.display()
        )),
        Err(TryLockError::Error(error)) => {
            Err(format!("The data directory {} cannot be locked: {error}.", data.display()))
        }
    }
}

/// Writes a file that only its owner can read: it holds secrets.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed("write", path))
}

/// `port` if nothing listens there, or any free one for 0.
fn free_port(port: u16) -> Result<u16, String> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr()) {
        Ok(address) => Ok(address.port()),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(format!(
            "Port {port} is in use. Stop the process that uses it, or choose another port: --port {}.",
            port.checked_add(1).unwrap_or(8787)
        )),
        Err(error) => Err(format!("Port {port} cannot be used: {error}.")),
    }
}

/// Starts the shell that kills process `pid` when this process is gone.
#[cfg(unix)]
fn watch(pid: u32) -> Option<Child> {
    Command::new("sh")
        .args(["-c", r#"trap "" HUP INT TERM; read -r _; kill -9 "$0""#, &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()
}

#[cfg(not(unix))]
fn watch(_pid: u32) -> Option<Child> {
    None
}

/// Keeps what `stream` says in `log`.
fn copy(stream: Option<Box<dyn Read + Send>>, log: &Mutex<Vec<u8>>, verbose: bool) {
    let Some(stream) = stream else { return };
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if verbose {
            let _ = std::io::stderr().write_all(&line);
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() + line.len() > LOG {
            let half = log.len() / 2;
            log.drain(..half);
        }
        log.append(&mut line);
    }
}

/// Whether there is an answer by HTTP; which one does not matter.
fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<[u8; 5]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let host = format!("127.0.0.1:{port}");
        write!(stream, "GET /api/v1/health/ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| &start == b"HTTP/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three classes that count their calls in SQL, behind one `fetch`: what the gateway asks of the runtime.
    const ENTRY: &str = r#"
import { name } from "./index.js";
import wasm from "./index_bg.wasm";
class Counter {
  constructor(ctx, env) { this.sql = ctx.storage.sql; this.sql.exec("CREATE TABLE IF NOT EXISTS calls (n INTEGER)"); }
  fetch() {
    this.sql.exec("INSERT INTO calls VALUES (1)");
    return new Response(String(this.sql.exec("SELECT count(*) AS n FROM calls").one().n));
  }
}
export class Directory extends Counter {}
export class App extends Counter {}
export class Endpoint extends Counter {}
export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/calls") {
      const counts = await Promise.all(["DIRECTORY", "APP", "ENDPOINT"].map(async (binding) =>
        (await env[binding].getByName("one").fetch("http://object/")).text()));
      return new Response(counts.join(" "));
    }
    if (path === "/out") return fetch(env.RECEIVER);
    const timer = setTimeout(() => {}, 1);
    if (typeof timer !== "number") return new Response("timers are not numbers");
    return new Response(`${name} ${wasm instanceof WebAssembly.Module} ${env.NOTE}`);
  }
};
"#;

    fn worker(dir: &Path) -> Result<PathBuf, String> {
        let files: [(&str, &[u8]); 3] = [
            (build::ENTRY, ENTRY.as_bytes()),
            ("index.js", b"export const name = 'sample';"),
            ("index_bg.wasm", b"\0asm\x01\0\0\0"),
        ];
        let dir = dir.join("worker");
        fs::create_dir_all(&dir).map_err(failed("create", &dir))?;
        for (name, contents) in files {
            fs::write(dir.join(name), contents).map_err(failed("write", &dir))?;
        }
        Ok(dir)
    }

    fn get(gateway: &Gateway, path: &str) -> Result<String, String> {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, gateway.port()))?;
            write!(stream, "GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
        };
        ask().map_err(|error| format!("{error}; workerd said {}", gateway.log()))
    }

    #[test]
    fn a_gateway_has_its_modules_settings_and_objects_and_its_data_survives_a_kill() -> Result<(), String> {
        let dir = scratch("local")?;
        let note = "quotes \" and \\ and\nlines, grüße";
        let mut options = Options::new(dir.join("data")).var("NOTE", note);
        options.worker_dir = Some(worker(&dir)?);

        let mut gateway = Gateway::start(&options)?;
        assert_eq!(get(&gateway, "/")?, format!("sample true {note}"));
        assert_eq!(get(&gateway, "/calls")?, "1 1 1");

        let second = Gateway::start(&options).map(|_| ());
        assert!(second.is_err_and(|error| error.contains("Another gateway is using")));

        let taken = Options { port: gateway.port(), data: dir.join("other"), ..options.clone() };
        let third = Gateway::start(&taken).map(|_| ());
        assert!(third.is_err_and(|error| error.contains("is in use")));

        gateway.kill();
        drop(gateway);
        let gateway = Gateway::start(&options)?;
        assert_eq!(get(&gateway, "/calls")?, "2 2 2");
        drop(gateway);
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[test]
    fn a_worker_reaches_a_receiver_on_this_machine() -> Result<(), String> {
        let dir = scratch("out")?;
        let port = receiver()?;
        let mut options = Options::new(dir.join("data")).var("RECEIVER", format!("http://127.0.0.1:{port}/"));
        options.worker_dir = Some(worker(&dir)?);
        let gateway = Gateway::start(&options)?;
        assert_eq!(get(&gateway, "/out")?, "here");
        drop(gateway);
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    /// A receiver on loopback that answers every request.
    fn receiver() -> Result<u16, String> {
        let receiver = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = receiver.local_addr().map_err(|e| e.to_string())?.port();
        thread::spawn(move || {
            for stream in receiver.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere");
            }
        });
        Ok(port)
    }

    #[test]
    fn a_name_that_resolves_to_a_private_address_is_not_connected_to_unless_its_network_is_allowed()
    -> Result<(), String> {
        let dir = scratch("names")?;
        let port = receiver()?;
        // No address is written anywhere: that `localhost` is this machine is only seen when the name is resolved.
        let mut options = Options::new(dir.join("data")).var("RECEIVER", format!("http://localhost:{port}/"));
        options.worker_dir = Some(worker(&dir)?);
        for (allowed, reached) in
            [("", false), ("10.0.0.0/8", false), ("nonsense", false), ("127.0.0.0/8", true)]
        {
            let gateway = Gateway::start(&options.clone().var("ALLOWED_NETWORKS", allowed))?;
            assert_eq!(get(&gateway, "/out")? == "here", reached, "with {allowed:?}: {}", gateway.log());
        }
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[cfg(unix)]
    #[test]
    fn the_data_directory_is_its_owners_alone_and_another_directory_is_left_as_it_is() -> Result<(), String> {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch("private")?;
        let mode = |path: &Path| -> Result<u32, String> {
            Ok(fs::metadata(path).map_err(failed("read", path))?.permissions().mode() & 0o777)
        };
        let open = |path: &Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed("open", path))
        };
        let data = dir.join("new/data");
        drop(claim(&data)?);
        assert_eq!(mode(&data)?, 0o700);
        open(&data)?;
        drop(claim(&data)?);
        assert_eq!(mode(&data)?, 0o700, "a gateway's own directory is closed again");

        let shared = dir.join("shared");
        fs::create_dir(&shared).map_err(failed("create", &shared))?;
        fs::write(shared.join("other"), "").map_err(failed("write", &shared))?;
        open(&shared)?;
        make_data_dir(&shared)?;
        assert_eq!(mode(&shared)?, 0o755, "it is not a gateway's");
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[test]
    fn a_worker_that_cannot_start_is_told_with_what_workerd_said() -> Result<(), String> {
        let dir = scratch("broken")?;
        let mut options = Options::new(dir.join("data"));
        options.worker_dir = Some(worker(&dir)?);
        fs::write(dir.join("worker").join(build::ENTRY), "nonsense nonsense").map_err(|e| e.to_string())?;
        let error = Gateway::start(&options).err().unwrap_or_default();
        assert!(error.starts_with("workerd exited at startup"), "{error}");
        assert!(error.contains("SyntaxError"), "{error}");
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn workerd_is_killed_when_the_pipe_of_its_watchdog_closes() -> Result<(), String> {
        let dir = scratch("watchdog")?;
        let mut options = Options::new(dir.join("data"));
        options.worker_dir = Some(worker(&dir)?);
        let mut gateway = Gateway::start(&options)?;
        // The system closes it when the process that holds it is gone.
        drop(gateway.watchdog.as_mut().and_then(|watchdog| watchdog.stdin.take()));
        assert_eq!(gateway.wait_for_end(), "workerd ended (signal: 9 (SIGKILL)).");
        drop(gateway);
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[test]
    fn the_main_module_comes_first_and_only_modules_are_embedded() {
        let files = |names: &[&str]| -> Vec<_> {
            names.iter().map(|name| ((*name).to_owned(), Path::new("/w").join(name))).collect()
        };
        let names = files(&["entry.mjs", "README.md", "a.wasm", "index.js", "package.json"]);
        let text = config(&Options::new("/d").var("X", "y"), "/d", &names);
        let modules: Vec<_> = text.lines().filter(|line| line.contains("embed")).map(str::trim).collect();
        assert_eq!(
            modules,
            [
                r#"(name = "entry.mjs", esModule = embed "/w/entry.mjs"),"#,
                r#"(name = "a.wasm", wasm = embed "/w/a.wasm"),"#,
                r#"(name = "index.js", esModule = embed "/w/index.js"),"#,
            ]
        );
        assert!(text.contains(r#"address = "127.0.0.1:0""#));
        assert!(text.contains(r#"(name = "X", text = "y"),"#));
        assert!(text.contains(r#"(name = "APP", durableObjectNamespace = "App"),"#));
        assert!(!text.contains("workerLoader"), "it is asked for");
        assert!(!text.contains("PRODUCTION") && !text.contains(PRODUCTION_FLAG), "it is asked for");
        let text = config(&Options { loader: true, ..Options::new("/d") }, "/d", &names);
        assert!(text.contains(r#"(name = "LOADER", workerLoader = ()),"#));
        assert!(text.contains(r#"(name = "LOADER_ISOLATES", text = "64"),"#), "workerd frees no isolate");
    }

    #[test]
    fn a_gateway_under_production_rules_has_the_emulator_as_its_main_module() -> Result<(), String> {
        let dir = scratch("rules")?;
        let worker = worker(&dir)?;
        let production = Production::new(Profile::Free).rule("depth", 3);
        let options = Options { production: Some(production), ..Options::new(dir.clone()) };
        let text = capnp(&options, &worker)?;
        let modules: Vec<_> = text.lines().filter(|line| line.contains("embed")).collect();
        assert!(modules.first().is_some_and(|first| first.contains(r#"name = "production/entry.mjs""#)));
        assert!(modules.iter().any(|module| module.contains(r#"name = "entry.mjs""#)));
        assert!(
            text.contains(r#"(name = "PRODUCTION", text = "{\"depth\":3,\"profile\":\"free\"}"),"#),
            "{text}"
        );
        assert!(text.contains(r#""nodejs_als"]"#));
        let production = Production::new(Profile::Paid).apart();
        let text = capnp(&Options { production: Some(production), ..options }, &worker)?;
        let (weir, apps) = text.split_once("const apps").ok_or("no second service")?;
        for (part, app, endpoint) in [
            (weir, r#"(className = "App", serviceName = "apps")"#, r#""Endpoint""#),
            (apps, r#""App""#, r#"(className = "Endpoint", serviceName = "weir")"#),
        ] {
            assert!(part.contains(&format!("(name = \"APP\", durableObjectNamespace = {app}),")), "{part}");
            assert!(part.contains(&format!("(name = \"ENDPOINT\", durableObjectNamespace = {endpoint}),")));
        }
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }

    #[test]
    fn what_is_deployed_asks_for_the_same_runtime() -> Result<(), String> {
        let path = crate::root().join("wrangler.toml");
        let toml = fs::read_to_string(&path).map_err(failed("read", &path))?;
        assert!(toml.contains(&format!("compatibility_date = \"{COMPATIBILITY_DATE}\"")));
        for flag in COMPATIBILITY_FLAGS {
            assert!(toml.contains(&format!("\"{flag}\",")), "wrangler.toml lacks {flag}");
        }
        for (binding, class, _) in OBJECTS {
            assert!(toml.contains(&format!("name = \"{binding}\"\nclass_name = \"{class}\"")));
        }
        Ok(())
    }

    #[test]
    fn text_is_quoted_for_the_configuration() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\x01é""#);
    }

    #[cfg(unix)]
    #[test]
    fn the_secret_is_made_once_and_is_its_owners_alone() -> Result<(), String> {
        use std::os::unix::fs::PermissionsExt;
        let dir = scratch("secret")?;
        let secret = jwt_secret(&dir)?;
        assert_eq!(secret.len(), 64);
        assert_eq!(jwt_secret(&dir)?, secret);
        let mode = fs::metadata(dir.join("jwt-secret")).map_err(|e| e.to_string())?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))
    }
}
