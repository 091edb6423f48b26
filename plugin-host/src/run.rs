//! The call protocol: one driver for every engine.
//!
//! [`run`] takes a fresh [`Instance`] of a metered module through the calls of ABI v1 and answers with an
//! [`Outcome`]: the plugin's decision or its failure, its logs, and its fuel. Nothing that a guest returns is
//! trusted: every address and length is checked against the memory as it is at that time, before anything is copied.
//! An engine only has to implement the small trait; whatever decides is here, so that the same module has the same
//! outcome everywhere.
//!
//! An instance has run once and is then thrown away. After a trap that is not only cleaner but needed: the depth
//! is not given back.

use std::fmt;

use crate::frame::{BadFrame, Patch};
use crate::meter::DEPTH_BUDGET;

/// What one run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fuel.
    pub fuel: u64,
    /// The largest input frame, in bytes.
    pub input_bytes: usize,
    /// The largest output frame, in bytes.
    pub output_bytes: usize,
    /// How much of the log is kept, in bytes; it is the end that is kept.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: 10_000_000, input_bytes: 4 << 20, output_bytes: 1 << 20, log_bytes: 64 << 10 }
    }
}

/// How much of the error text is kept, in bytes; it is the beginning that is kept.
pub const ERROR_TEXT_BYTES: usize = 4096;

/// One of the calls of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `_initialize`, which a plugin need not have.
    Initialize,
    /// `weir_abi_v1`.
    Abi,
    /// `weir_input` with the frame's length.
    Input(u32),
    /// `weir_transform` with the frame's length.
    Transform(u32),
}

impl Call {
    /// The export's name.
    pub const fn export(self) -> &'static str {
        match self {
            Self::Initialize => "_initialize",
            Self::Abi => "weir_abi_v1",
            Self::Input(_) => "weir_input",
            Self::Transform(_) => "weir_transform",
        }
    }
}

/// An instance of a metered module in some engine.
///
/// Addresses and lengths are given as the driver has checked them against [`Instance::memory_bytes`]; an engine that
/// finds them outside all the same answers `None` or `false`.
pub trait Instance {
    /// Calls an export. [`Call::Initialize`] answers `Ok(0)` where the plugin has none.
    fn call(&mut self, call: Call) -> Result<u32, Stop>;
    /// The memory's size now, in bytes.
    fn memory_bytes(&mut self) -> u64;
    /// Copies out of the memory.
    fn read(&mut self, address: u32, length: u32) -> Option<Vec<u8>>;
    /// Copies into the memory.
    fn write(&mut self, address: u32, bytes: &[u8]) -> bool;
    /// Sets the global [`crate::meter::FUEL`].
    fn set_fuel(&mut self, fuel: i64);
    /// Reads the global [`crate::meter::FUEL`].
    fn fuel(&mut self) -> i64;
    /// Sets the global [`crate::meter::DEPTH`].
    fn set_depth(&mut self, depth: i32);
    /// Reads the global [`crate::meter::DEPTH`].
    fn depth(&mut self) -> i32;
    /// Reads the global [`crate::meter::DENIED`]: 1 once the memory could not grow.
    fn denied(&mut self) -> i32;
}

/// Why a call did not return.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The guest trapped.
    Trap(TrapKind),
    /// The engine's own stack was used up. Metered modules should run out of depth long before.
    StackOverflow,
    /// The engine's second guard: it ran too long.
    Deadline,
    /// The engine failed.
    Host(String),
}

/// How a guest trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrapKind {
    /// The `unreachable` instruction: mostly a panic or an abort.
    Unreachable,
    /// An access outside of the memory.
    MemoryOutOfBounds,
    /// An index outside of the table.
    TableOutOfBounds,
    /// An indirect call of nothing, or of a function with another signature.
    IndirectCall,
    /// An integer divided by zero.
    DivisionByZero,
    /// A quotient, or a float to be converted, does not fit its integer type. (Engines draw the line between the
    /// two differently.)
    Unrepresentable,
    /// Something else.
    Other,
}

impl TrapKind {
    /// The kind that a V8 `RuntimeError` with this message is.
    pub fn from_v8(message: &str) -> Self {
        const MESSAGES: [(&str, TrapKind); 9] = [
            ("unreachable", TrapKind::Unreachable),
            ("memory access out of bounds", TrapKind::MemoryOutOfBounds),
            ("table index is out of bounds", TrapKind::TableOutOfBounds),
            ("table access out of bounds", TrapKind::TableOutOfBounds),
            ("null function or function signature mismatch", TrapKind::IndirectCall),
            ("divide by zero", TrapKind::DivisionByZero),
            ("remainder by zero", TrapKind::DivisionByZero),
            ("divide result unrepresentable", TrapKind::Unrepresentable),
            ("float unrepresentable in integer range", TrapKind::Unrepresentable),
        ];
        let found = MESSAGES.iter().find(|(text, _)| message.contains(text));
        found.map_or(Self::Other, |(_, kind)| *kind)
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable executed",
            Self::MemoryOutOfBounds => "memory access out of bounds",
            Self::TableOutOfBounds => "table index out of bounds",
            Self::IndirectCall => "indirect call of nothing or of another signature",
            Self::DivisionByZero => "division by zero",
            Self::Unrepresentable => "a quotient or a converted float does not fit its integer type",
            Self::Other => "trap",
        })
    }
}

/// The decision of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Deliver as it is.
    Unchanged,
    /// Deliver with these changes.
    Replace(Patch),
    /// Do not deliver.
    Drop {
        /// The plugin's reason; may be empty.
        reason: String,
    },
    /// The plugin cannot decide.
    Error {
        /// Whether trying again later may help.
        retryable: bool,
        /// The plugin's message; may be empty.
        message: String,
    },
}

/// What a pointer of the guest was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pointer {
    /// The mailbox.
    Mailbox,
    /// Where the input goes.
    Input,
    /// The output frame.
    Output,
    /// The log.
    Log,
    /// The error text.
    ErrorText,
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mailbox => "mailbox (weir_abi_v1)",
            Self::Input => "input (weir_input)",
            Self::Output => "output (out_ptr, out_len)",
            Self::Log => "log (log_ptr, log_len)",
            Self::ErrorText => "error text (err_ptr, err_len)",
        })
    }
}

/// Why a run has no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError {
    /// The guest trapped, with no message.
    Trap(TrapKind),
    /// The guest trapped and left a message.
    Panic {
        /// The message, e.g. with file and line.
        message: String,
    },
    /// The fuel is used up.
    OutOfFuel {
        /// How much there was.
        limit: u64,
    },
    /// The guest trapped after the memory could not grow.
    MemoryLimit {
        /// The memory's size then, in pages of 64 KiB.
        pages: u32,
        /// What the guest left as message; may be empty.
        message: String,
    },
    /// Recursion too deep.
    StackOverflow,
    /// The engine's second guard stopped it.
    Deadline,
    /// A range that is not in the memory.
    BadPointer {
        /// What it was for.
        what: Pointer,
        /// Its address.
        address: u32,
        /// Its length.
        length: u32,
        /// The memory's size.
        memory: u64,
    },
    /// The input frame is larger than the limit.
    TooMuchInput {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// `weir_input` answered 0.
    InputRefused {
        /// The frame's length.
        bytes: u32,
    },
    /// The output frame is larger than the limit.
    TooMuchOutput {
        /// Its length.
        bytes: u32,
        /// The limit.
        limit: usize,
    },
    /// The output frame is not one.
    BadFrame(BadFrame),
    /// The mailbox is not one.
    BadMailbox {
        /// Its address.
        address: u32,
        /// Its first word.
        size: u32,
    },
    /// An unknown verdict.
    UnknownVerdict(u32),
    /// The engine failed; not the plugin's fault.
    Host(String),
}

impl RunError {
    /// The stable code, for the API, records and tests.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Panic { .. } => "panic",
            Self::OutOfFuel { .. } => "out_of_fuel",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::StackOverflow => "stack_overflow",
            Self::Deadline => "deadline",
            Self::BadPointer { .. } => "bad_pointer",
            Self::TooMuchInput { .. } => "too_much_input",
            Self::InputRefused { .. } => "input_refused",
            Self::TooMuchOutput { .. } => "too_much_output",
            Self::BadFrame(_) => "bad_frame",
            Self::BadMailbox { .. } | Self::UnknownVerdict(_) => "protocol",
            Self::Host(_) => "host",
        }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(kind) => write!(f, "the plugin trapped: {kind}"),
            Self::Panic { message } => write!(f, "the plugin panicked: {message}"),
            Self::OutOfFuel { limit } => {
                write!(
                    f,
                    "the plugin used more than its {limit} fuel; do less for each event, or have the limit raised (MAX_PLUGIN_FUEL)"
                )
            }
            Self::MemoryLimit { pages, message } => {
                write!(f, "the plugin needs more memory than it may have (it had {pages} pages of 64 KiB)")?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Self::StackOverflow => {
                f.write_str("the plugin recursed too deeply; is its input nested without end?")
            }
            Self::Deadline => f.write_str("the plugin ran too long"),
            Self::BadPointer { what, address, length, memory } => {
                write!(
                    f,
                    "the {what} is {length} bytes at {address}, outside of the memory of {memory} bytes"
                )
            }
            Self::TooMuchInput { bytes, limit } => {
                write!(f, "the event has {bytes} bytes as a frame; a plugin is given at most {limit}")
            }
            Self::InputRefused { bytes } => write!(f, "the plugin has no room for an event of {bytes} bytes"),
            Self::TooMuchOutput { bytes, limit } => {
                write!(f, "the output has {bytes} bytes; {limit} are allowed")
            }
            Self::BadFrame(why) => write!(f, "the output frame cannot be read: {why}"),
            Self::BadMailbox { address, size } => write!(
                f,
                "the mailbox at {address} says it has {size} bytes; its address must be a multiple of 4 and not 0, and \
                 its first word 32 or more, when weir_abi_v1 returns"
            ),
            Self::UnknownVerdict(verdict) => {
                write!(
                    f,
                    "the verdict {verdict} is not one of ABI v1 (0 to 4); was the plugin built for a later host?"
                )
            }
            Self::Host(why) => write!(f, "the engine failed: {why}"),
        }
    }
}

impl std::error::Error for RunError {}

/// How serious a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// Something happened.
    Info,
    /// For the author.
    Debug,
    /// For the author, in detail.
    Trace,
}

impl Level {
    /// Its name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Error),
            2 => Some(Self::Warn),
            3 => Some(Self::Info),
            4 => Some(Self::Debug),
            5 => Some(Self::Trace),
            _ => None,
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How serious.
    pub level: Level,
    /// The text; it may hold newlines.
    pub text: String,
}

/// The log of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logs {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Whether older lines are missing.
    pub truncated: bool,
}

impl Logs {
    /// Reads the log's bytes; `cut` where they are only its end.
    fn read(bytes: &[u8], cut: bool) -> Self {
        // A line whose beginning is missing would be a line that was never written.
        let whole =
            if cut { bytes.iter().position(|b| *b == b'\n').and_then(|at| bytes.get(at..)) } else { None };
        let bytes = match whole {
            Some([_, rest @ ..]) if !rest.is_empty() => rest,
            _ => bytes,
        };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let mut lines: Vec<LogLine> = Vec::new();
        if bytes.is_empty() {
            return Self { lines, truncated: cut };
        }
        for line in bytes.split(|b| *b == b'\n') {
            let (level, text) = match line {
                [first, text @ ..] if Level::from_byte(*first).is_some() => (Level::from_byte(*first), text),
                text => (None, text),
            };
            let text = String::from_utf8_lossy(text);
            match (level, lines.last_mut()) {
                (None, Some(last)) => {
                    last.text.push('\n');
                    last.text.push_str(&text);
                }
                (level, _) => {
                    lines.push(LogLine { level: level.unwrap_or(Level::Info), text: text.into_owned() });
                }
            }
        }
        Self { lines, truncated: cut }
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict, or why there is none.
    pub result: Result<Verdict, RunError>,
    /// What the plugin logged, after a trap too.
    pub logs: Logs,
    /// The fuel used, at most the limit.
    pub fuel: u64,
    /// The memory's size at the end, in pages of 64 KiB.
    pub memory_pages: u32,
}

impl Outcome {
    /// The outcome of an engine that could not make an instance.
    pub fn host_failure(why: String) -> Self {
        Self { result: Err(RunError::Host(why)), logs: Logs::default(), fuel: 0, memory_pages: 0 }
    }
}

/// Runs a fresh instance on an input frame ([`crate::frame::Event::encode`]).
pub fn run(instance: &mut impl Instance, input: &[u8], limits: &Limits) -> Outcome {
    let fuel = i64::try_from(limits.fuel).unwrap_or(i64::MAX);
    instance.set_fuel(fuel);
    instance.set_depth(DEPTH_BUDGET);
    let mut driver = Driver { instance, limits, mailbox: None };
    let result = driver.drive(input);
    // Checks are sparse: a run may return, or trap for another reason, with its fuel a little below zero.
    let left = driver.instance.fuel();
    let result = match result {
        Err(RunError::Host(why)) => Err(RunError::Host(why)),
        _ if left < 0 => Err(RunError::OutOfFuel { limit: limits.fuel }),
        result => result,
    };
    let (logs, result) = match (driver.logs(), result) {
        (Ok(logs), result) => (logs, result),
        // What went wrong first is what counts.
        (Err(bad), Ok(_)) => (Logs::default(), Err(bad)),
        (Err(_), Err(first)) => (Logs::default(), Err(first)),
    };
    let used = fuel.saturating_sub(left.max(0));
    let memory_pages = driver.pages();
    Outcome { result, logs, fuel: u64::try_from(used).unwrap_or(0), memory_pages }
}

/// The mailbox's fields, in its order.
struct Mailbox {
    out: (u32, u32),
    log: (u32, u32),
    err: (u32, u32),
    flags: u32,
}

const MAILBOX_BYTES: u32 = 32;
const MAX_MAILBOX_BYTES: u32 = 4096;
const LOG_TRUNCATED: u32 = 1;

struct Driver<'a, I> {
    instance: &'a mut I,
    limits: &'a Limits,
    /// The mailbox's address, once it is known to be one.
    mailbox: Option<u32>,
}

impl<I: Instance> Driver<'_, I> {
    fn drive(&mut self, input: &[u8]) -> Result<Verdict, RunError> {
        let limit = self.limits.input_bytes;
        let length = u32::try_from(input.len())
            .ok()
            .filter(|_| input.len() <= limit)
            .ok_or(RunError::TooMuchInput { bytes: input.len(), limit })?;
        self.call(Call::Initialize)?;
        let mailbox = self.call(Call::Abi)?;
        self.check_mailbox(mailbox)?;
        self.mailbox = Some(mailbox);
        let address = self.call(Call::Input(length))?;
        if address == 0 {
            return Err(RunError::InputRefused { bytes: length });
        }
        self.check(Pointer::Input, address, length)?;
        if !self.instance.write(address, input) {
            return Err(RunError::Host("the input could not be written".to_owned()));
        }
        match self.call(Call::Transform(length))? {
            0 => Ok(Verdict::Unchanged),
            1 => self.patch().map(Verdict::Replace),
            2 => Ok(Verdict::Drop { reason: self.error_text()? }),
            verdict @ (3 | 4) => Ok(Verdict::Error { retryable: verdict == 3, message: self.error_text()? }),
            other => Err(RunError::UnknownVerdict(other)),
        }
    }

    fn call(&mut self, call: Call) -> Result<u32, RunError> {
        let kind = match self.instance.call(call) {
            // No fuel left means nothing that comes back is meant.
            Ok(_) if self.instance.fuel() < 0 => return Err(RunError::OutOfFuel { limit: self.limits.fuel }),
            Ok(value) => return Ok(value),
            Err(Stop::Host(why)) => return Err(RunError::Host(why)),
            Err(_) if self.instance.fuel() < 0 => {
                return Err(RunError::OutOfFuel { limit: self.limits.fuel });
            }
            Err(Stop::Deadline) => return Err(RunError::Deadline),
            Err(Stop::StackOverflow) => return Err(RunError::StackOverflow),
            Err(Stop::Trap(_)) if self.instance.depth() < 0 => return Err(RunError::StackOverflow),
            Err(Stop::Trap(kind)) => kind,
        };
        let message = self.error_text().unwrap_or_default();
        if self.instance.denied() != 0 {
            return Err(RunError::MemoryLimit { pages: self.pages(), message });
        }
        if message.is_empty() { Err(RunError::Trap(kind)) } else { Err(RunError::Panic { message }) }
    }

    fn pages(&mut self) -> u32 {
        u32::try_from(self.instance.memory_bytes() >> 16).unwrap_or(u32::MAX)
    }

    /// That the range is in the memory as it is now.
    fn check(&mut self, what: Pointer, address: u32, length: u32) -> Result<(), RunError> {
        let memory = self.instance.memory_bytes();
        match u64::from(address).checked_add(u64::from(length)) {
            Some(end) if end <= memory => Ok(()),
            _ => Err(RunError::BadPointer { what, address, length, memory }),
        }
    }

    fn read(&mut self, what: Pointer, address: u32, length: u32) -> Result<Vec<u8>, RunError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        self.check(what, address, length)?;
        self.instance
            .read(address, length)
            .ok_or_else(|| RunError::Host(format!("the {what} could not be read")))
    }

    fn check_mailbox(&mut self, address: u32) -> Result<(), RunError> {
        let words = self.read(Pointer::Mailbox, address, MAILBOX_BYTES)?;
        let size = word(&words, 0);
        let is_one = address != 0
            && address.is_multiple_of(4)
            && size.is_multiple_of(4)
            && (MAILBOX_BYTES..=MAX_MAILBOX_BYTES).contains(&size);
        if is_one {
            self.check(Pointer::Mailbox, address, size)
        } else {
            Err(RunError::BadMailbox { address, size })
        }
    }

    /// The mailbox as it is now. The memory never shrinks, so it is still inside.
    fn mailbox(&mut self) -> Result<Option<Mailbox>, RunError> {
        let Some(address) = self.mailbox else { return Ok(None) };
        let words = self.read(Pointer::Mailbox, address, MAILBOX_BYTES)?;
        let pair = |at| (word(&words, at), word(&words, at.saturating_add(1)));
        Ok(Some(Mailbox { out: pair(1), log: pair(3), err: pair(5), flags: word(&words, 7) }))
    }

    fn patch(&mut self) -> Result<Patch, RunError> {
        let Some(mailbox) = self.mailbox()? else { return Ok(Patch::default()) };
        let (address, bytes) = mailbox.out;
        let limit = self.limits.output_bytes;
        if usize::try_from(bytes).is_ok_and(|bytes| bytes > limit) {
            return Err(RunError::TooMuchOutput { bytes, limit });
        }
        let frame = self.read(Pointer::Output, address, bytes)?;
        Patch::decode(&frame).map_err(RunError::BadFrame)
    }

    fn error_text(&mut self) -> Result<String, RunError> {
        let Some(mailbox) = self.mailbox()? else { return Ok(String::new()) };
        let (address, length) = mailbox.err;
        if length > 0 {
            self.check(Pointer::ErrorText, address, length)?;
        }
        let kept = length.min(u32::try_from(ERROR_TEXT_BYTES).unwrap_or(u32::MAX));
        let bytes = self.read(Pointer::ErrorText, address, kept)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn logs(&mut self) -> Result<Logs, RunError> {
        let Some(mailbox) = self.mailbox()? else { return Ok(Logs::default()) };
        let (address, length) = mailbox.log;
        if length > 0 {
            self.check(Pointer::Log, address, length)?;
        }
        let kept = length.min(u32::try_from(self.limits.log_bytes).unwrap_or(u32::MAX));
        let skipped = length.saturating_sub(kept);
        let bytes = self.read(Pointer::Log, address.saturating_add(skipped), kept)?;
        let mut logs = Logs::read(&bytes, skipped > 0);
        logs.truncated |= mailbox.flags & LOG_TRUNCATED != 0;
        Ok(logs)
    }
}

fn word(words: &[u8], index: usize) -> u32 {
    let four = words.chunks_exact(4).nth(index).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(logs: &Logs) -> Vec<(Level, &str)> {
        logs.lines.iter().map(|line| (line.level, line.text.as_str())).collect()
    }

    #[test]
    fn a_log_is_lines_with_levels() {
        let logs = Logs::read(b"\x01a\n\x05b\nmore\n\n\x03\n", false);
        assert_eq!(lines(&logs), [(Level::Error, "a"), (Level::Trace, "b\nmore\n"), (Level::Info, "")]);
        assert_eq!(lines(&Logs::read(b"no level", false)), [(Level::Info, "no level")]);
        assert_eq!(lines(&Logs::read(b"\x02gr\xfcn", false)), [(Level::Warn, "gr\u{fffd}n")]);
        assert!(Logs::read(b"", false).lines.is_empty());
    }

    #[test]
    fn a_log_that_was_cut_begins_with_a_whole_line() {
        let logs = Logs::read(b"rt of a\n\x02b\n", true);
        assert_eq!(lines(&logs), [(Level::Warn, "b")]);
        assert!(logs.truncated);
        assert_eq!(lines(&Logs::read(b"one line only", true)), [(Level::Info, "one line only")]);
        assert_eq!(lines(&Logs::read(b"one line only\n", true)), [(Level::Info, "one line only")]);
    }

    #[test]
    fn the_messages_of_v8_are_kinds() {
        assert_eq!(TrapKind::from_v8("unreachable"), TrapKind::Unreachable);
        assert_eq!(TrapKind::from_v8("RuntimeError: remainder by zero"), TrapKind::DivisionByZero);
        assert_eq!(TrapKind::from_v8("new words"), TrapKind::Other);
    }
}
