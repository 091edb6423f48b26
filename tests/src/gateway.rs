//! The gateway under test: the built worker on workerd, with a data directory of its own.

use crate::client::Api;
use crate::production::Emulator;
use crate::token;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use xtask::build;
use xtask::local::{self, Production, Profile};

/// What every gateway of the tests is started with unless a test says otherwise: retries and timeouts in
/// fractions of a second, receivers on loopback allowed.
pub const VARS: [(&str, &str); 6] = [
    ("JWT_SECRET", token::SECRET),
    ("RETRY_SCHEDULE", "0.2,0.4"),
    ("REQUEST_TIMEOUT", "1"),
    ("ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
    ("ALLOW_IP_ADDRESSES", "true"),
    ("MAX_IN_FLIGHT", "32"),
];

/// A running gateway. Dropping it stops it and removes its data.
#[derive(Debug)]
pub struct Running {
    gateway: Option<local::Gateway>,
    options: local::Options,
}

impl Running {
    /// Starts a gateway with [`VARS`] and these, which win over them, under the rules of Cloudflare's paid plan.
    #[track_caller]
    pub fn start(vars: &[(&str, &str)]) -> Self {
        Self::with(Self::under(Profile::Paid, vars))
    }

    /// The same under the rules of the free plan.
    #[track_caller]
    pub fn free(vars: &[(&str, &str)]) -> Self {
        Self::with(Self::under(Profile::Free, vars))
    }

    /// The same of a Worker that is built with hooks for tests (`worker/src/test_hooks.rs`).
    #[track_caller]
    pub fn hooked(vars: &[(&str, &str)]) -> Self {
        let worker = build::ensure_built_with_hooks().unwrap_or_else(|error| panic!("{error}"));
        Self::with(local::Options { worker_dir: Some(worker), ..Self::under(Profile::Paid, vars) })
    }

    /// The same under workerd's own rules alone: for benchmarks, and for tests of what the rules have no part in.
    #[track_caller]
    pub fn local(vars: &[(&str, &str)]) -> Self {
        Self::with(Self::options(vars))
    }

    /// The options for a gateway under the rules of a plan, but for what receivers on loopback need: they are asked for by
    /// address, and one that is not there is an error, not an answer. `WEIR_TEST_LOCAL` switches all rules off, to tell
    /// whether a failure is due to them.
    pub fn under(profile: Profile, vars: &[(&str, &str)]) -> local::Options {
        let vars: Vec<_> = [("MAX_IN_FLIGHT", "6")].iter().chain(vars).copied().collect();
        let production =
            Production::new(profile).rule("refuseAddresses", false).rule("answerFailures", false);
        let production = std::env::var_os("WEIR_TEST_LOCAL").is_none().then_some(production);
        local::Options { production, ..Self::options(&vars) }
    }

    /// The options for a gateway under workerd's own rules.
    pub fn options(vars: &[(&str, &str)]) -> local::Options {
        local::Options {
            data: scratch("gateway"),
            port: 0,
            vars: VARS.iter().chain(vars).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            // For looking into a failure: the gateway's own output as it comes.
            verbose: std::env::var_os("WEIR_TEST_VERBOSE").is_some(),
            loader: false,
            worker_dir: None,
            production: None,
        }
    }

    /// Starts a gateway with these options as they are.
    #[track_caller]
    pub fn with(options: local::Options) -> Self {
        let gateway = launch(&options);
        let port = gateway.port(); // a restart keeps the address
        Self { gateway: Some(gateway), options: local::Options { port, ..options } }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.options.port)
    }

    /// The API as a tenant that nobody used before.
    pub fn tenant(&self) -> Api {
        Api::fresh(&self.url())
    }

    /// The emulator of production that it runs in, if it does.
    pub fn emulator(&self) -> Emulator {
        Emulator::new(&self.url())
    }

    /// The process id of workerd, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.gateway.as_ref().map(local::Gateway::pid)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.gateway.as_ref().map(local::Gateway::log).unwrap_or_default()
    }

    /// Where it keeps its data.
    pub fn data(&self) -> &Path {
        &self.options.data
    }

    /// Its settings.
    pub fn vars(&self) -> &BTreeMap<String, String> {
        &self.options.vars
    }

    /// Kills it as a power cut would (SIGKILL). Its data stays.
    pub fn kill(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill();
        }
    }

    /// Starts it again on the same data and the same port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// Starts it again with other settings, on the same data and the same port.
    #[track_caller]
    pub fn restart_with(&mut self, vars: &[(&str, &str)]) {
        self.kill();
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.options.vars.extend(vars);
        self.gateway = Some(launch(&self.options));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            if !log.is_empty() {
                eprintln!("--- the gateway's log ends with ---\n{}", tail(&log, 8000));
            }
        }
        self.kill();
        let _ = std::fs::remove_dir_all(&self.options.data);
    }
}

/// The gateway that the tests of one file share, with [`VARS`] as they are.
///
/// It runs as long as any test holds it: a static would never be dropped, and workerd would outlive the tests.
#[track_caller]
pub fn shared() -> Arc<Running> {
    static SHARED: Mutex<Weak<Running>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let running = Arc::new(Running::start(&[]));
        *shared = Arc::downgrade(&running);
        running
    })
}

/// A new empty directory below the build's target directory.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = target().join("tmp").join(format!("{name}-{}-{n}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path
}

/// The build's target directory: cargo marks it with a file.
pub fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| std::env::temp_dir().join("weir-tests"), Path::to_path_buf)
}

#[track_caller]
fn launch(options: &local::Options) -> local::Gateway {
    match local::Gateway::start(options) {
        Ok(gateway) => gateway,
        Err(error) => panic!("the gateway does not start: {error}"),
    }
}

fn tail(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(from..).unwrap_or_default()
}
