//! The plugins of endpoints: some endpoints of every fifth seed have one.
//!
//! Its verdict is a function of the message, the attempt and the configuration, so that what has to arrive, and how,
//! is known without remembering. No dice are thrown: the other seeds stay the worlds that they were.

use super::event::Event;
use super::world::World;
use weir_core::endpoint::Passage;
use weir_core::frame::Config;
use weir_core::plugin::{Attached, EngineName, OnError, Ran, Step, Verdict};

/// What a changed body ends with: it stays JSON, since a batch refuses what is none.
pub(super) const MARK: &[u8] = b"\n\t\n";

/// The plugin that does something. Those of the tenant's store change nothing.
const NAME: &str = "p";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    Unchanged,
    Replace,
    Drop,
    /// Fails until the third attempt.
    Recovers,
    /// Fails under every other configuration.
    Buggy,
}

/// What plugins make of a message, wherever.
pub(super) fn habit(msg_id: &str) -> Habit {
    match mix(msg_id.bytes().map(u64::from)) % 10 {
        0..=3 => Habit::Unchanged,
        4..=5 => Habit::Replace,
        6..=7 => Habit::Drop,
        8 => Habit::Recovers,
        _ => Habit::Buggy,
    }
}

fn mix(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(0xcbf2_9ce4_8422_2325, |hash, part| (hash ^ part).wrapping_mul(0x0100_0000_01b3)) >> 7
}

impl World {
    /// Whether an endpoint has a plugin, from its first configuration on.
    pub(super) fn is_plugged(&self, e: usize) -> bool {
        self.seed % 5 == 4 && !self.plan.orderly && !mix([self.seed, e as u64].into_iter()).is_multiple_of(3)
    }

    /// Attaches the plugin; every third configuration brings another version.
    pub(super) fn plug(&self, e: usize, config: &mut Config) {
        if self.is_plugged(e) {
            let version = (config.version / 3).to_string();
            let (name, on_error) = (NAME.to_owned(), OnError::Hold);
            config.plugins = Some(vec![Attached { name, version, pinned: false, config: None, on_error }]);
        }
    }

    pub(super) fn pass(&mut self, e: usize, passages: Vec<Passage>) {
        let process = self.endpoints[e].node.on.process;
        for mut passage in passages {
            let delivery = passage.delivery.clone();
            while let Step::Run(plugin, subject) = passage.chain.step() {
                let buggy = plugin.version.ends_with(['1', '3', '5', '7', '9']);
                let failed = Verdict::Failed { code: "trap".to_owned(), text: "unreachable".to_owned() };
                let verdict = match habit(&delivery.msg_id) {
                    _ if plugin.name != NAME => Verdict::Unchanged,
                    Habit::Drop => Verdict::Drop { reason: String::new() },
                    Habit::Replace => {
                        let body = Some([&subject.body, MARK].concat());
                        Verdict::Replace { body, headers: Vec::new(), event_type: None }
                    }
                    Habit::Recovers if delivery.made < 2 => failed,
                    Habit::Buggy if buggy => failed,
                    _ => Verdict::Unchanged,
                };
                let engine = EngineName::Wasmi;
                passage.chain.ran(Ran {
                    verdict,
                    logs: Vec::new(),
                    fuel: 1,
                    pages: 1,
                    engine,
                    version: None,
                });
            }
            let took = i64::from(delivery.key.len().is_multiple_of(2)) * 40;
            self.after(took, Event::Passed(e, Box::new(passage.ended()), process));
        }
    }
}
