//! A power cut at any moment: nothing that was accepted is lost.
//!
//! workerd is killed (SIGKILL) under load and started again on the same data, again and again. Whatever was answered
//! 202 has to arrive at least once. What was answered with nothing may arrive or not: nobody was promised anything.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};
use weir_core::rng::{Entropy, Seeded, System};
use weir_tests::client::Api;
use weir_tests::gateway::Running;
use weir_tests::json::message;
use weir_tests::receiver::{Received, Receiver};

const ROUNDS: usize = 20;
const SENDERS: usize = 8;
/// Both as in the settings that the gateways of the tests have.
const IN_FLIGHT: usize = 32;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// What the senders have been promised, and a bell that rings when they are promised more.
#[derive(Default)]
struct Promised {
    /// The application's place in the list, and the message's id.
    ids: Mutex<Vec<(usize, String)>>,
    more: Condvar,
}

impl Promised {
    fn add(&self, app: usize, id: String) {
        self.ids.lock().unwrap().push((app, id));
        self.more.notify_all();
    }

    /// Waits until `n` more than now have been promised.
    fn wait_for_more(&self, n: usize) {
        let ids = self.ids.lock().unwrap();
        let wanted = ids.len() + n;
        let (ids, time) =
            self.more.wait_timeout_while(ids, Duration::from_secs(20), |ids| ids.len() < wanted).unwrap();
        assert!(!time.timed_out(), "the gateway accepts again: {} of {wanted}", ids.len());
    }
}

fn send_until_stopped(
    api: &Api,
    apps: &[String],
    stop: &AtomicBool,
    promised: &Promised,
    number: &AtomicUsize,
) {
    while !stop.load(Ordering::Relaxed) {
        let n = number.fetch_add(1, Ordering::Relaxed);
        let app = n % apps.len();
        let path = format!("/api/v1/app/{}/msg", apps[app]);
        let body = message("crash.test", &format!("{{\"n\":{n}}}"));
        match api.try_call("POST", &path, Some(body.as_bytes()), &[]) {
            Ok(reply) if reply.status == 202 => {
                promised.add(app, reply.json()["id"].as_str().expect("an id").to_owned());
            }
            Ok(reply) => assert!(reply.status >= 500, "{} {}", reply.status, reply.text),
            // Between a kill and the restart there is nobody: try again, but do not spin.
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn everything_accepted_arrives_although_the_process_is_killed_again_and_again() {
    let seed = std::env::var("WEIR_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| System.number());
    eprintln!("WEIR_TEST_SEED={seed} repeats the times of the kills");
    let mut rng = Seeded(seed);

    // The usual short timeout: the lease of what was in flight at a kill ends soon.
    let mut gateway = Running::start(&[("RETRY_SCHEDULE", "0.5,1,2,4,8,8,8,8")]);
    let receiver = Receiver::start();
    let api = gateway.tenant();
    // Two applications and three endpoints: one application has to deliver twice.
    let apps = [api.app(), api.app()];
    let places = [(0, "/a"), (1, "/b"), (1, "/c")];
    for (app, path) in places {
        api.endpoint(&apps[app], &receiver.url(path));
    }

    let promised = Promised::default();
    let stop = AtomicBool::new(false);
    let number = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            let api = api.at(&gateway.url());
            let (apps, stop, promised, number) = (&apps, &stop, &promised, &number);
            scope.spawn(move || send_until_stopped(&api, apps, stop, promised, number));
        }
        // A panic in here must stop the senders too, or the scope would wait for them for ever.
        let _stop = StopOnDrop(&stop);
        for _ in 0..ROUNDS {
            promised.wait_for_more(5);
            std::thread::sleep(Duration::from_secs_f64(rng.unit() * 2.0));
            gateway.kill();
            gateway.restart();
        }
        promised.wait_for_more(5);
    });

    let promised = promised.ids.into_inner().unwrap();
    let mut duplicates = 0;
    let mut too_soon = Vec::new();
    let end = Instant::now() + Duration::from_secs(90);
    for (app, path) in places {
        let owed: HashSet<&str> =
            promised.iter().filter(|(of, _)| *of == app).map(|(_, id)| id.as_str()).collect();
        let got = receiver.wait_until(path, end.saturating_duration_since(Instant::now()), |got| {
            // Counting comes first: the sets are only worth building when they can be equal.
            got.len() >= owed.len() && owed.is_subset(&ids(got))
        });
        let arrived = ids(&got);
        let lost: Vec<_> = owed.difference(&arrived).collect();
        assert!(
            lost.is_empty(),
            "{path}: {} of {} accepted messages are lost: {lost:?}",
            lost.len(),
            owed.len()
        );
        duplicates += got.len() - arrived.len();
        too_soon.extend(repeated_too_soon(&got));
    }
    eprintln!("{ROUNDS} kills, {} accepted, {duplicates} arrived again", promised.len());
    assert!(too_soon.is_empty(), "sent again while the last attempt's lease lasted: {too_soon:?}");
    // Only what was in flight at a kill may come twice: at most so many for each endpoint and kill.
    assert!(duplicates <= ROUNDS * places.len() * IN_FLIGHT, "{duplicates} duplicates after {ROUNDS} kills");
}

/// The deliveries that came again before the lease of the attempt before can have ended.
///
/// An attempt whose outcome a kill has lost is leased for longer than a request may take: it comes again, but late.
fn repeated_too_soon(requests: &[Received]) -> Vec<String> {
    let mut arrivals: HashMap<&str, Vec<Instant>> = HashMap::new();
    for request in requests {
        arrivals.entry(request.message_id().unwrap_or_default()).or_default().push(request.at);
    }
    let mut too_soon = Vec::new();
    for (id, at) in arrivals {
        for pair in at.windows(2) {
            let gap = pair[1] - pair[0];
            if gap < REQUEST_TIMEOUT.mul_f64(0.9) {
                too_soon.push(format!("{} {id} after {gap:?}", requests[0].path));
            }
        }
    }
    too_soon
}

fn ids(requests: &[Received]) -> HashSet<&str> {
    requests.iter().filter_map(Received::message_id).collect()
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
