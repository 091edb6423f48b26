//! A run on V8, which JavaScript made and wrote down (`transcribe.mjs`), judged by the one driver.
//!
//! The driver works on a [`Instance`] that answers from the transcript: for each call what it came to and how the
//! meters stood after it, and the parts of the memory that the driver may ask for. So a run in a separate isolate
//! costs one message, a bundled plugin one crossing, and the rules for verdicts stay in one place.

use crate::meter::DEPTH_BUDGET;
use crate::run::{self, Call, ERROR_TEXT_BYTES, Instance, Limits, Outcome, Stop, TrapKind};

/// The text of the JavaScript module that makes transcripts: it exports `transcribe(module, input, ...numbers)`, where
/// the numbers are [`numbers`].
pub const SOURCE: &str = include_str!("transcribe.mjs");

/// What `transcribe` wants to know besides the module and the input.
#[allow(clippy::cast_precision_loss)] // limits are far below 2^53
pub fn numbers(limits: &Limits) -> [f64; 5] {
    [
        limits.fuel as f64,
        f64::from(DEPTH_BUDGET),
        limits.output_bytes as f64,
        limits.log_bytes as f64,
        ERROR_TEXT_BYTES as f64,
    ]
}

/// The outcome of the run that a transcript is of; `input` and `limits` are those of that run.
pub fn outcome(transcript: &[u8], input: &[u8], limits: &Limits) -> Outcome {
    match Replay::read(transcript) {
        Some(mut replay) => run::run(&mut replay, input, limits),
        None => Outcome::host_failure("the transcript of a run cannot be read".to_owned()),
    }
}

/// What one call came to, and how everything stood after it.
struct Step {
    result: Result<u32, Stop>,
    fuel: i64,
    depth: i32,
    denied: i32,
    memory: u32,
}

/// An instance that has run already. Its first step is not a call, but how everything stood before.
struct Replay {
    steps: Vec<Step>,
    /// The step that the driver has come to.
    at: usize,
    /// The mailbox as it was when its address was told.
    before: Vec<u8>,
    /// Parts of the memory as it was in the end, by address.
    ranges: Vec<(u32, Vec<u8>)>,
}

/// Steps: before, `_initialize`, `weir_abi_v1`, `weir_input`, `weir_transform`.
const MAX_STEPS: u32 = 5;
/// The step after which the driver looks at the mailbox for the first time.
const ABI: usize = 2;

impl Replay {
    fn read(transcript: &[u8]) -> Option<Self> {
        let mut rest = Reader(transcript);
        let count = rest.word().filter(|count| (1..=MAX_STEPS).contains(count))?;
        let mut raw = Vec::new();
        for _ in 0..count {
            let (kind, value) = (rest.word()?, rest.word()?);
            let fuel = i64::from_le_bytes(rest.array()?);
            let (depth, denied) = (rest.word()?.cast_signed(), rest.word()?.cast_signed());
            raw.push((kind, value, fuel, depth, denied, rest.word()?, rest.word()?));
        }
        let mut steps = Vec::new();
        for (kind, value, fuel, depth, denied, memory, length) in raw {
            let text = String::from_utf8_lossy(rest.take(length)?).into_owned();
            let result = match kind {
                0 => Ok(value),
                1 => Err(Stop::Trap(TrapKind::from_v8(&text))),
                2 => Err(Stop::StackOverflow),
                _ => Err(Stop::Host(text)),
            };
            steps.push(Step { result, fuel, depth, denied, memory });
        }
        let length = rest.word()?;
        let before = rest.take(length)?.to_vec();
        let mut ranges = Vec::new();
        while !rest.0.is_empty() {
            let (address, length) = (rest.word()?, rest.word()?);
            ranges.push((address, rest.take(length)?.to_vec()));
        }
        Some(Self { steps, at: 0, before, ranges })
    }

    fn step(&self) -> Option<&Step> {
        self.steps.get(self.at)
    }
}

impl Instance for Replay {
    fn call(&mut self, _: Call) -> Result<u32, Stop> {
        self.at = self.at.saturating_add(1);
        let ended = || Err(Stop::Host("the transcript of a run ends too early".to_owned()));
        self.step().map_or_else(ended, |step| step.result.clone())
    }

    fn memory_bytes(&mut self) -> u64 {
        self.step().map_or(0, |step| step.memory.into())
    }

    fn read(&mut self, address: u32, length: u32) -> Option<Vec<u8>> {
        // Unless the run ended there, the memory is not any more what it was when the mailbox was first looked at.
        if self.at == ABI {
            return Some(self.before.clone()).filter(|before| usize::try_from(length) == Ok(before.len()));
        }
        let length = usize::try_from(length).ok()?;
        self.ranges.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(from..from.checked_add(length)?).map(<[u8]>::to_vec)
        })
    }

    /// It was written when the module ran.
    fn write(&mut self, _: u32, _: &[u8]) -> bool {
        true
    }

    fn set_fuel(&mut self, _: i64) {}

    fn fuel(&mut self) -> i64 {
        self.step().map_or(0, |step| step.fuel)
    }

    fn set_depth(&mut self, _: i32) {}

    fn depth(&mut self) -> i32 {
        self.step().map_or(0, |step| step.depth)
    }

    fn denied(&mut self) -> i32 {
        self.step().map_or(0, |step| step.denied)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(u32::try_from(N).ok()?)?.try_into().ok()
    }

    fn word(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{RunError, Verdict};

    fn step(kind: u32, value: u32, text: &str) -> (Vec<u8>, String) {
        let mut bytes = Vec::new();
        for word in [kind, value, 90, 0, 5, 0, 65_536, u32::try_from(text.len()).unwrap()] {
            bytes.extend(word.to_le_bytes());
        }
        (bytes, text.to_owned())
    }

    fn transcript(steps: &[(Vec<u8>, String)], before: &[u8]) -> Vec<u8> {
        let mut all = u32::try_from(steps.len()).unwrap().to_le_bytes().to_vec();
        all.extend(steps.iter().flat_map(|(fixed, _)| fixed.clone()));
        all.extend(steps.iter().flat_map(|(_, text)| text.bytes()));
        all.extend(u32::try_from(before.len()).unwrap().to_le_bytes());
        all.extend(before);
        all
    }

    const MAILBOX: [u8; 32] = {
        let mut words = [0; 32];
        words[0] = 32;
        words
    };

    fn limits() -> Limits {
        Limits { fuel: 100, ..Limits::default() }
    }

    #[test]
    fn a_whole_run_is_judged_as_it_was() {
        let steps = [step(0, 0, ""), step(0, 0, ""), step(0, 16, ""), step(0, 64, ""), step(0, 0, "")];
        let mut whole = transcript(&steps, &MAILBOX);
        whole.extend([16u32, 32].iter().flat_map(|word| word.to_le_bytes()));
        whole.extend(MAILBOX);
        let outcome = outcome(&whole, b"frame", &limits());
        assert_eq!((outcome.result, outcome.fuel, outcome.memory_pages), (Ok(Verdict::Unchanged), 10, 1));
    }

    #[test]
    fn a_trap_is_the_trap_that_it_was() {
        let steps = [step(0, 0, ""), step(1, 0, "divide by zero")];
        let outcome = outcome(&transcript(&steps, &[]), b"frame", &limits());
        assert_eq!(outcome.result, Err(RunError::Trap(TrapKind::DivisionByZero)));
    }

    #[test]
    fn what_is_cut_off_or_made_up_is_a_failure_of_the_host() {
        let steps = [step(0, 0, ""), step(0, 0, ""), step(0, 16, ""), step(0, 64, ""), step(0, 0, "")];
        let whole = transcript(&steps, &MAILBOX);
        for length in 0..whole.len() {
            let outcome = outcome(&whole[..length], b"frame", &limits());
            assert!(matches!(outcome.result, Err(RunError::Host(_))), "{length}: {outcome:?}");
        }
        let early = outcome(&transcript(&steps[..4], &MAILBOX), b"frame", &limits());
        assert!(matches!(early.result, Err(RunError::Host(_))), "{early:?}");
        assert!(matches!(outcome(&[255; 64], b"", &limits()).result, Err(RunError::Host(_))));
    }
}
