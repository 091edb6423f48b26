//! The command line.

use std::path::PathBuf;

/// The usage text.
pub(crate) const USAGE: &str = "\
Usage: weir-plugin <command>

  new NAME [--sdk SOURCE]  make a directory with a plugin that works; SOURCE is where weir-plugin comes
                           from: a path (the checkout that this command is from), or an address for git
  check PLUGIN [--json]    whether the gateway would take it, and if not, why
  inspect PLUGIN [--json]  what it says of itself, and what it is made of
  run PLUGIN [EVENT…]      run it on events and show what becomes of them
      --config JSON        the configuration; @FILE reads it from a file
      --type TYPE          the type of events whose file names none (test.event)
      --fuel N             another limit than the gateway's 10,000,000
      --engine NAME        wasmi (as a gateway's interpreter), or wasmtime if this command was built with it
      --profile            the functions that used most fuel
      --json               one JSON object for each event, a line each
  bundle DIR PLUGIN…       write plugins into DIR as the gateway's build deploys them
  help                     print this text

PLUGIN is a .wasm file, or a directory with a plugin in Rust, which is then built.
EVENT is a file, a directory of .json files, or - for standard input (the default). It is either an event
  {\"eventType\": \"invoice.paid\", \"payload\": {…}, \"headers\": {…}, \"config\": {…}}
with all but `payload` optional, or else a payload as it is.
";

/// A command with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Makes a plugin.
    New {
        /// Its name.
        name: String,
        /// Where the SDK comes from.
        sdk: Option<String>,
    },
    /// Whether the gateway would accept it.
    Check {
        /// The plugin.
        plugin: PathBuf,
        /// As JSON.
        json: bool,
    },
    /// Its manifest.
    Inspect {
        /// The plugin.
        plugin: PathBuf,
        /// As JSON.
        json: bool,
    },
    /// Makes plugins ready to be deployed with the gateway.
    Bundle {
        /// Where to.
        out: PathBuf,
        /// The plugins.
        plugins: Vec<PathBuf>,
    },
    /// Runs it.
    Run(Run),
    /// Prints the usage.
    Help,
}

/// The options of `run`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// The plugin.
    pub(crate) plugin: PathBuf,
    /// Files, directories or `-`.
    pub(crate) events: Vec<String>,
    /// The configuration, or `@FILE`.
    pub(crate) config: Option<String>,
    /// The type of events that name none.
    pub(crate) event_type: Option<String>,
    /// The limit.
    pub(crate) fuel: Option<u64>,
    /// Which engine runs it.
    pub(crate) engine: Option<String>,
    /// With the functions that used most fuel.
    pub(crate) profile: bool,
    /// As JSON.
    pub(crate) json: bool,
}

/// Parses a command line (without the program's name), or says what is wrong with it.
pub(crate) fn parse(args: &[String]) -> Result<Command, String> {
    let Some((command, rest)) = args.split_first() else {
        return Err("No command was given.".into());
    };
    let mut rest = rest.iter();
    let mut names = Vec::new();
    let mut run = Run::default();
    let mut sdk = None;
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("{arg} needs a value."));
        match (command.as_str(), arg.as_str()) {
            ("new", "--sdk") => sdk = Some(value()?),
            ("check" | "inspect" | "run", "--json") => run.json = true,
            ("run", "--profile") => run.profile = true,
            ("run", "--config") => run.config = Some(value()?),
            ("run", "--type") => run.event_type = Some(value()?),
            ("run", "--engine") => run.engine = Some(value()?),
            ("run", "--fuel") => {
                let text = value()?;
                let fuel = text.parse().map_err(|_| format!("--fuel takes a number, not `{text}`."))?;
                run.fuel = Some(fuel);
            }
            (_, flag) if flag.starts_with("--") => {
                return Err(format!("`{command}` has no option `{flag}`."));
            }
            (_, name) => names.push(name.to_owned()),
        }
    }
    let one = |what: &str| match names.as_slice() {
        [name] => Ok(name.clone()),
        [] => Err(format!("`{command}` needs {what}.")),
        [_, other, ..] => Err(format!("`{command}` takes {what} and nothing else, not `{other}`.")),
    };
    Ok(match command.as_str() {
        "new" => Command::New { name: one("a name")?, sdk },
        "check" => Command::Check { plugin: one("a plugin")?.into(), json: run.json },
        "inspect" => Command::Inspect { plugin: one("a plugin")?.into(), json: run.json },
        "run" => {
            let Some((plugin, events)) = names.split_first() else {
                return Err("`run` needs a plugin.".into());
            };
            run.plugin = plugin.into();
            run.events = events.to_vec();
            Command::Run(run)
        }
        "bundle" => {
            let Some((out, plugins)) = names.split_first() else {
                return Err("`bundle` needs a directory to write to.".into());
            };
            Command::Bundle { out: out.into(), plugins: plugins.iter().map(PathBuf::from).collect() }
        }
        "help" | "--help" | "-h" => Command::Help,
        other => return Err(format!("There is no command `{other}`.")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_anywhere() {
        let run = Run {
            plugin: "a.wasm".into(),
            events: vec!["b.json".into(), "-".into()],
            config: Some("{}".into()),
            event_type: Some("x.y".into()),
            fuel: Some(5),
            engine: Some("wasmi".into()),
            profile: true,
            json: true,
        };
        let line = "run --json a.wasm --profile --config {} b.json --fuel 5 - --type x.y --engine wasmi";
        assert_eq!(parse_line(line), Ok(Command::Run(run)));
        let new = Command::New { name: "x".into(), sdk: Some("../sdk".into()) };
        assert_eq!(parse_line("new x --sdk ../sdk"), Ok(new));
    }

    #[test]
    fn what_is_wrong_is_told_in_a_sentence() {
        for (line, sentence) in [
            ("", "No command was given."),
            ("rn", "There is no command `rn`."),
            ("run", "`run` needs a plugin."),
            ("check", "`check` needs a plugin."),
            ("bundle", "`bundle` needs a directory to write to."),
            ("check a b", "`check` takes a plugin and nothing else, not `b`."),
            ("run a --fast", "`run` has no option `--fast`."),
            ("check a --fuel 5", "`check` has no option `--fuel`."),
            ("run a --fuel", "--fuel needs a value."),
            ("run a --fuel much", "--fuel takes a number, not `much`."),
        ] {
            assert_eq!(parse_line(line), Err(sentence.into()), "{line}");
        }
    }
}
