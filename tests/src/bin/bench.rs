//! Benchmarks: one JSON object a line on the standard output.
//!
//! `bench e2e [--seconds N] [--rounds N] [--connections 1,32] [--only floor|weir]` puts load on the gateway and on the
//! floor (`tests/floor/`: the same hops in bare JavaScript, no features) in turn, on the same workerd, with the
//! same receiver. Every line has `bench`, `case`, `value` and `unit`; Weir's also have `ratio` to the floor's
//! mean of the same run, and `against`.
//!
//! `bench plugins`: see [`weir_tests::engines`]. `bench bill`: see [`weir_tests::bill`].
//!
//! What the numbers mean:
//! - *accepted*: answers 202 in a second while the load lasted;
//! - *delivered*: events in a second from the first request until the last of them arrived at the receiver, so a
//!   backlog that is left when the load ends lowers it;
//! - *accept p50, p99*: from request to answer, as the client sees it;
//! - *arrive p50, p99*: from request to the receiver;
//! - *rows written*, *commits*: of the application's and the endpoint's objects, for each delivered message, with all
//!   that came before (the objects' tables, the configuration): counted, in a gateway of its own;
//! - *cpu*: processor time of the workerd process for each event, accepting and delivering together.

use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_tests::client::Api;
use weir_tests::gateway::{Running, VARS, scratch};
use weir_tests::production::Counts;
use weir_tests::receiver::{Answer, Receiver};
use weir_tests::{load, process};
use xtask::local::{self, Profile};

/// How long a backlog may take to arrive after the load has ended.
const DRAIN: Duration = Duration::from_mins(1);
/// Before anything is measured: connections opened, code compiled.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        None => e2e(&Plan::default()),
        Some((name, rest)) if name == "e2e" => Plan::parse(rest).and_then(|plan| e2e(&plan)),
        Some((name, _)) if name == "plugins" => weir_tests::engines::bench().map_err(Into::into),
        Some((name, rest)) if name == "bill" => weir_tests::bill::run(rest).map_err(Into::into),
        Some((name, _)) => {
            Err(format!("there is no benchmark {name}: there are e2e, plugins and bill").into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Clone)]
struct Plan {
    load: Duration,
    rounds: usize,
    connections: Vec<usize>,
    sides: Vec<Side>,
}

impl Default for Plan {
    fn default() -> Self {
        let sides = vec![Side::Floor, Side::Weir];
        Self { load: Duration::from_secs(5), rounds: 2, connections: vec![1, 32], sides }
    }
}

impl Plan {
    fn parse(args: &[String]) -> Result<Self, load::Error> {
        let mut plan = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            match arg.as_str() {
                "--seconds" => plan.load = Duration::from_secs(value.parse()?),
                "--rounds" => plan.rounds = value.parse()?,
                "--connections" => {
                    plan.connections = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--only" if value == "floor" => plan.sides = vec![Side::Floor],
                "--only" if value == "weir" => plan.sides = vec![Side::Weir],
                _ => return Err(format!("{arg} {value}: the options are in the head of bench.rs").into()),
            }
        }
        Ok(plan)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Floor,
    Weir,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Floor => "floor",
            Side::Weir => "weir",
        }
    }

    fn start(self) -> Running {
        let floor = Path::new(env!("CARGO_MANIFEST_DIR")).join("floor");
        let vars = VARS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let options = local::Options {
            data: scratch(self.name()),
            port: 0,
            // The gateway's own schedule and timeout: nothing is to be retried here.
            vars: vars.filter(|(name, _)| name != "RETRY_SCHEDULE" && name != "REQUEST_TIMEOUT").collect(),
            // For looking into a failure: the gateway's own output as it comes.
            verbose: std::env::var_os("WEIR_TEST_VERBOSE").is_some(),
            loader: false,
            worker_dir: (self == Side::Floor).then_some(floor),
            production: None,
        };
        Running::with(options)
    }
}

/// What one round on one side has measured.
type Measures = Vec<(&'static str, &'static str, f64)>;

fn e2e(plan: &Plan) -> Result<(), load::Error> {
    let mut all: BTreeMap<(usize, Side), Vec<Measures>> = BTreeMap::new();
    for round in 1..=plan.rounds {
        for &side in &plan.sides {
            // A fresh process each time: what one run leaves behind must not weigh on the next.
            let gateway = side.start();
            let receiver = Receiver::start();
            let target = Target::new(&gateway, &receiver);
            target.run(&receiver, plan.connections.iter().copied().max().unwrap_or(1), WARM_UP)?;
            for &connections in &plan.connections {
                eprintln!("round {round}, {} with {connections} connections", side.name());
                let measures = target.measure(&gateway, &receiver, connections, plan.load)?;
                all.entry((connections, side)).or_default().push(measures);
            }
        }
    }
    for &connections in &plan.connections {
        let floor = all.get(&(connections, Side::Floor)).map(|rounds| mean(rounds));
        for &side in &plan.sides {
            let Some(rounds) = all.get(&(connections, side)) else { continue };
            for (at, &(what, unit, value)) in mean(rounds).iter().enumerate() {
                let case = format!("{} {what} c={connections}", side.name());
                let spread: Vec<f64> = rounds.iter().map(|round| tidy(round[at].2)).collect();
                let mut line = json!({ "bench": "e2e", "case": case, "value": tidy(value), "unit": unit, "rounds": spread });
                if let (Side::Weir, Some(floor)) = (side, &floor) {
                    line["ratio"] = json!(tidy(value / floor[at].2));
                    line["against"] = json!("floor");
                }
                println!("{line}");
            }
        }
    }
    if plan.sides.contains(&Side::Weir) { plan.connections.iter().try_for_each(|&n| rows(n)) } else { Ok(()) }
}

/// Rows written, and group commits, for each delivered message: counted in a gateway of its own, since counting costs.
#[allow(clippy::cast_precision_loss)] // counts
fn rows(connections: usize) -> Result<(), load::Error> {
    // The emulator counts; it has as many connections as the gateway that is measured.
    let mut options = Running::under(Profile::Paid, &[("REQUEST_TIMEOUT", "15"), ("MAX_IN_FLIGHT", "32")]);
    options.production = options.production.map(|rules| rules.rule("connections", 32));
    let gateway = Running::with(options);
    let receiver = Receiver::start();
    let target = Target::new(&gateway, &receiver);
    let sent = target.run(&receiver, connections, Duration::from_secs(2))?.sent.len();
    // What is recorded after the last arrival is a matter of milliseconds; the endpoint says when it is there.
    let Target { app, endpoint, api, .. } = &target;
    api.until(&format!("/api/v1/app/{app}/endpoint/{endpoint}/stats"), DRAIN, |stats| {
        stats["success"] == sent
    });
    let (stats, app) = (gateway.emulator().stats(), format!("{}/{app}", api.org));
    let objects =
        [format!("App:{app}"), format!("Endpoint:{app}/{endpoint}")].map(|name| stats.object(&name));
    let sum = |of: fn(&Counts) -> u64| objects.iter().map(of).sum::<u64>() as f64;
    let (rows, groups) = (sum(|object| object.rows_written), sum(|object| object.syncs));
    for (what, unit, value) in [("rows written", "rows/event", rows), ("commits", "commits/event", groups)] {
        let case = format!("weir {what} c={connections}");
        let value = (value / sent as f64 * 1000.0).round() / 1000.0;
        println!("{}", json!({ "bench": "e2e", "case": case, "value": value, "unit": unit }));
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // numbers of rounds
fn mean(rounds: &[Measures]) -> Measures {
    let sum = |at: usize| rounds.iter().map(|round| round[at].2).sum::<f64>();
    let first = &rounds[0];
    first
        .iter()
        .enumerate()
        .map(|(at, &(what, unit, _))| (what, unit, sum(at) / rounds.len() as f64))
        .collect()
}

fn tidy(value: f64) -> f64 {
    let digits = if value.abs() >= 100.0 { 1.0 } else { 1000.0 };
    (value * digits).round() / digits
}

/// One application with one endpoint, which is a path of the receiver.
struct Target {
    url: String,
    api: Api,
    app: String,
    endpoint: String,
}

/// The receiver's path.
const PATH: &str = "/hook";

impl Target {
    fn new(gateway: &Running, receiver: &Receiver) -> Self {
        let api = Api::fresh(&gateway.url());
        let app = api.app();
        let endpoint = api.endpoint(&app, &receiver.url(PATH));
        receiver.count_only(PATH);
        Self { url: gateway.url(), api, app, endpoint }
    }

    /// Loads it and waits until everything has arrived.
    fn run(&self, receiver: &Receiver, connections: usize, time: Duration) -> Result<Run, load::Error> {
        let begun = Instant::now();
        let before = receiver.count(PATH);
        let arrivals = Arc::new(Arrivals::new(begun));
        receiver.on(PATH, {
            let arrivals = Arc::clone(&arrivals);
            move |request| {
                arrivals.note(&request.body, request.at);
                Answer::ok()
            }
        });
        let job = load::Job {
            url: format!("{}/api/v1/app/{}/msg", self.url, self.app),
            token: self.api.token.clone(),
            connections,
            time,
        };
        let sent = load::run(&job, payload)?;
        let accepted = sent.iter().filter(|one| one.status == 202).count();
        if let Some(other) = sent.iter().find(|one| one.status != 202) {
            return Err(format!("a message was answered {} instead of 202", other.status).into());
        }
        let backlog = accepted.saturating_sub(receiver.count(PATH).saturating_sub(before));
        if !receiver.wait_count(PATH, before + accepted, DRAIN) {
            let got = receiver.count(PATH) - before;
            return Err(format!("{accepted} messages were accepted, but only {got} arrived").into());
        }
        Ok(Run { begun, sent, backlog, arrivals })
    }

    #[allow(clippy::cast_precision_loss)] // counts and microseconds far below 2^52
    fn measure(
        &self,
        gateway: &Running,
        receiver: &Receiver,
        connections: usize,
        time: Duration,
    ) -> Result<Measures, load::Error> {
        let pid = gateway.pid().ok_or("the gateway has no process id")?;
        let cpu = || process::cpu_us(pid).ok_or("workerd's processor time cannot be read here");
        let before = cpu()?;
        let run = self.run(receiver, connections, time)?;
        let cpu = (cpu()? - before) as f64;
        let events = run.sent.len() as f64;
        let mut accept: Vec<f64> = run.sent.iter().map(|one| ms(one.answered - one.begun)).collect();
        let mut arrive: Vec<f64> = run
            .sent
            .iter()
            .filter_map(|one| Some(ms(run.arrivals.of(one.n)?.saturating_duration_since(one.begun))))
            .collect();
        let answered = run.sent.iter().map(|one| one.answered).max().unwrap_or(run.begun);
        let arrived = run.sent.iter().filter_map(|one| run.arrivals.of(one.n)).max().unwrap_or(run.begun);
        let rate = |until: Instant| events / (until - run.begun).as_secs_f64();
        let (accept50, accept99) = (percentile(&mut accept, 0.5), percentile(&mut accept, 0.99));
        let (arrive50, arrive99) = (percentile(&mut arrive, 0.5), percentile(&mut arrive, 0.99));
        Ok(vec![
            ("accepted", "events/s", rate(answered)),
            ("delivered", "events/s", rate(arrived.max(answered))),
            ("accept p50", "ms", accept50),
            ("accept p99", "ms", accept99),
            ("arrive p50", "ms", arrive50),
            ("arrive p99", "ms", arrive99),
            ("cpu", "us/event", cpu / events),
            ("backlog at the end of the load", "events", run.backlog as f64),
            ("memory afterwards", "MB", process::resident_kb(pid).unwrap_or(0) as f64 / 1024.0),
        ])
    }
}

struct Run {
    begun: Instant,
    sent: Vec<load::Sent>,
    backlog: usize,
    arrivals: Arc<Arrivals>,
}

/// When each numbered message first arrived.
struct Arrivals {
    begun: Instant,
    /// Nanoseconds after `begun`, plus one; zero where nothing came.
    at: Vec<AtomicU64>,
}

impl Arrivals {
    /// More than any run here sends.
    const MOST: usize = 1 << 20;

    fn new(begun: Instant) -> Self {
        Self { begun, at: (0..Self::MOST).map(|_| AtomicU64::new(0)).collect() }
    }

    fn note(&self, body: &[u8], at: Instant) {
        let number = body.strip_prefix(b"{\"n\":").and_then(|rest| {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            std::str::from_utf8(&rest[..digits]).ok()?.parse::<usize>().ok()
        });
        if let Some(slot) = number.and_then(|n| self.at.get(n)) {
            let nanos = u64::try_from((at - self.begun).as_nanos()).unwrap_or(u64::MAX - 1) + 1;
            let _ = slot.compare_exchange(0, nanos, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn of(&self, n: usize) -> Option<Instant> {
        match self.at.get(n)?.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(self.begun + Duration::from_nanos(nanos - 1)),
        }
    }
}

/// An event of about the size that the field sends; its number comes first, where the receiver finds it quickly.
fn payload(n: usize) -> String {
    let data =
        r#"{"email":"someone@example.com","subject":"Your receipt","tags":["billing","eu"],"opens":3}"#;
    format!(r#"{{"n":{n},"type":"email.delivered","created_at":"2026-11-21T12:00:00.000Z","data":{data}}}"#)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn percentile(values: &mut [f64], p: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * p).ceil() as usize).saturating_sub(1);
    values.get(at).copied().unwrap_or(f64::NAN)
}
