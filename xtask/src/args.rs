//! The command line: which command, with which flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The usage text.
pub const USAGE: &str = "\
Usage: cargo xtask <command>

  dev [options]            build what has changed and run the gateway on this machine
      --port N             listen on this port (8787)
      --data DIR           keep the data here (.weir)
      --var NAME=VALUE     set a setting; may be repeated
      --release            run the optimized build
      --loader             uploaded plugins run in isolates of their own, as with a `worker_loaders` binding
  token [--org ORG] [--data DIR] [--ttl TIME]
                           print a bearer token for the local gateway, valid for 30d, or 12h, 90m, 60s;
                           it carries an id, by which it can be revoked
  build [--release|--dev]  build the Worker for `wrangler deploy` into build/ (the default), or the
                           debug build into target/worker-debug/
  test [--only PART]       run everything that CI runs, or one part of it:
                           fmt, supply, lint, msrv, unit, build, e2e, deploy;
                           quick is less than two minutes of them
  plugin build             build the plugins that ship into target/plugins/
  plugin new|check|inspect|run …
                           make, check and run plugins; `plugin help` tells more
  bench [NAME] [options]   run the benchmarks
  bill [--json] [NAME…]    what a million deliveries cost on Cloudflare, counted under the production emulator:
                           dense, lone, bursts, failing, many
  release [options]        make what is published for this version, in dist/
      --tag TAG            fail unless this is the version's tag
      --worker DIR         a Worker that is already built, instead of the release build
      --out DIR            write it here
  help                     print this text
";

/// The organization that tokens are for when none is named; the one in the examples of Svix's documentation.
pub const ORG: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";

/// A command with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Runs the gateway.
    Dev(Dev),
    /// Prints a token.
    Token {
        /// The organization.
        org: String,
        /// The data directory with the secret.
        data: PathBuf,
        /// How long it is valid, in milliseconds.
        ttl_ms: i64,
    },
    /// Builds the Worker.
    Build {
        /// Optimized, for deployment.
        release: bool,
    },
    /// Runs the tests.
    Test {
        /// One part of them.
        only: Option<String>,
    },
    /// Runs the benchmarks with these arguments.
    Bench(Vec<String>),
    /// Counts and prices deliveries with these arguments.
    Bill(Vec<String>),
    /// Builds the plugins that ship.
    BuildPlugins,
    /// Runs the plugin authors' command with these arguments.
    Plugin(Vec<String>),
    /// Makes a release.
    Release(crate::release::Options),
    /// Prints the usage.
    Help,
}

/// The options of `dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dev {
    /// The port.
    pub port: u16,
    /// The data directory.
    pub data: PathBuf,
    /// Settings by name.
    pub vars: BTreeMap<String, String>,
    /// Run the optimized build.
    pub release: bool,
    /// Uploaded plugins get isolates of their own.
    pub loader: bool,
}

/// A time such as `30d`, `12h`, `90m` or `60s`, in milliseconds; at most ten years.
fn ttl(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("--ttl needs a duration such as 30d, 12h, 90m or 60s, at most 3650d, not `{text}`.");
    let (number, unit) = text.split_at_checked(text.len().wrapping_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let total = number.checked_mul(seconds).filter(|total| (1..=3_650 * 86_400).contains(total));
    total.map(|total| total * 1_000).ok_or_else(wrong)
}

/// Parses a command line (without the program's name), or says what is wrong with it.
pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Task, String> {
    let mut args = args.into_iter();
    let Some(command) = args.next() else {
        return Err("No command was given.".into());
    };
    if command == "bench" {
        return Ok(Task::Bench(args.collect()));
    }
    if command == "bill" {
        return Ok(Task::Bill(args.collect()));
    }
    if command == "plugin" {
        let args: Vec<_> = args.collect();
        let builds = args.iter().map(String::as_str).eq(["build"]);
        return Ok(if builds { Task::BuildPlugins } else { Task::Plugin(args) });
    }
    let mut flags = Flags { command: &command, args };
    let task = match command.as_str() {
        "dev" => {
            let mut dev =
                Dev { port: 8787, data: data_dir(), vars: BTreeMap::new(), release: false, loader: false };
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--port" => dev.port = port(&flags.value("--port")?)?,
                    "--data" => dev.data = flags.value("--data")?.into(),
                    "--var" => {
                        let (name, value) = var(&flags.value("--var")?)?;
                        dev.vars.insert(name, value);
                    }
                    "--release" => dev.release = true,
                    "--loader" => dev.loader = true,
                    other => return Err(flags.unknown(other)),
                }
            }
            Task::Dev(dev)
        }
        "token" => {
            let (mut org, mut data, mut ttl_ms) = (ORG.to_owned(), data_dir(), crate::token::TTL_MS);
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--org" => org = flags.value("--org")?,
                    "--data" => data = flags.value("--data")?.into(),
                    "--ttl" => ttl_ms = ttl(&flags.value("--ttl")?)?,
                    other => return Err(flags.unknown(other)),
                }
            }
            Task::Token { org, data, ttl_ms }
        }
        "build" => {
            let mut release = true;
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--release" => release = true,
                    "--dev" => release = false,
                    other => return Err(flags.unknown(other)),
                }
            }
            Task::Build { release }
        }
        "test" => {
            let mut only = None;
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--only" => only = Some(flags.value("--only")?),
                    other => return Err(flags.unknown(other)),
                }
            }
            Task::Test { only }
        }
        "release" => {
            let mut options = crate::release::Options::default();
            while let Some(flag) = flags.next() {
                match flag.as_str() {
                    "--tag" => options.tag = Some(flags.value("--tag")?),
                    "--worker" => options.worker = Some(flags.value("--worker")?.into()),
                    "--out" => options.out = Some(flags.value("--out")?.into()),
                    other => return Err(flags.unknown(other)),
                }
            }
            Task::Release(options)
        }
        "help" | "--help" | "-h" => Task::Help,
        other => return Err(format!("Unknown command: `{other}`.")),
    };
    Ok(task)
}

/// The flags of a command that are still to be read.
struct Flags<'a, I> {
    command: &'a str,
    args: I,
}

impl<I: Iterator<Item = String>> Flags<'_, I> {
    fn next(&mut self) -> Option<String> {
        self.args.next()
    }

    fn value(&mut self, flag: &str) -> Result<String, String> {
        self.args.next().ok_or_else(|| format!("{flag} needs a value."))
    }

    fn unknown(&self, flag: &str) -> String {
        format!("`{}` has no option `{flag}`.", self.command)
    }
}

/// Where the local gateway keeps its data unless told otherwise.
fn data_dir() -> PathBuf {
    crate::root().join(".weir")
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("--port needs a number from 0 (any free port) to 65535, not `{text}`."))
}

fn var(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("--var needs NAME=VALUE, such as REQUEST_TIMEOUT=5, not `{text}`.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn dev_has_defaults_and_takes_its_options_in_any_order() {
        let dev = |line| match parse_line(line) {
            Ok(Task::Dev(dev)) => Some(dev),
            _ => None,
        };
        let default = dev("dev");
        assert_eq!(default.as_ref().map(|dev| (dev.port, dev.release)), Some((8787, false)));
        assert!(default.as_ref().is_some_and(|dev| !dev.loader));
        assert_eq!(default.map(|dev| dev.data), Some(crate::root().join(".weir")));

        let all = dev("dev --var A=1 --release --port 0 --data /tmp/x --loader --var B=x=y --var A=2");
        assert_eq!(all.as_ref().map(|dev| (dev.port, dev.release, dev.loader)), Some((0, true, true)));
        let vars = all.map(|dev| dev.vars.into_iter().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(vars, [("A".into(), "2".into()), ("B".into(), "x=y".into())]);
    }

    #[test]
    fn a_build_is_for_deployment_unless_told_otherwise() {
        assert_eq!(parse_line("build"), Ok(Task::Build { release: true }));
        assert_eq!(parse_line("build --release"), Ok(Task::Build { release: true }));
        assert_eq!(parse_line("build --dev"), Ok(Task::Build { release: false }));
    }

    #[test]
    fn what_follows_bench_is_the_benchmarks_own() {
        assert_eq!(
            parse_line("bench ingest --quick"),
            Ok(Task::Bench(vec!["ingest".into(), "--quick".into()]))
        );
        assert_eq!(parse_line("bill --json lone"), Ok(Task::Bill(vec!["--json".into(), "lone".into()])));
    }

    #[test]
    fn what_follows_plugin_is_the_plugin_authors_but_for_the_build() {
        assert_eq!(parse_line("plugin build"), Ok(Task::BuildPlugins));
        let args = ["run", "x.wasm", "--json"].map(String::from).to_vec();
        assert_eq!(parse_line("plugin run x.wasm --json"), Ok(Task::Plugin(args)));
    }

    #[test]
    fn what_is_wrong_is_told_in_a_sentence() {
        for (line, sentence) in [
            ("", "No command was given."),
            ("devv", "Unknown command: `devv`."),
            ("dev --fast", "`dev` has no option `--fast`."),
            ("dev --port", "--port needs a value."),
            ("dev --port 99999", "--port needs a number from 0 (any free port) to 65535, not `99999`."),
            ("dev --var A", "--var needs NAME=VALUE, such as REQUEST_TIMEOUT=5, not `A`."),
            ("build now", "`build` has no option `now`."),
        ] {
            assert_eq!(parse_line(line), Err(sentence.into()), "{line}");
        }
    }
}
