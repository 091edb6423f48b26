//! A log line's level, and the buffer that holds the lines of one run. [`crate::log`] is for plugins.

use alloc::vec::Vec;
use core::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something is odd.
    Warn = 2,
    /// Something happened.
    Info = 3,
    /// What helps to find a mistake.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

/// More than this is not kept; the host would cut it anyway.
const KEEP: usize = 64 * 1024;

/// The lines of one run, as the ABI wants them: a level byte, the text, a line feed.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    discarded: bool,
}

impl Lines {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), discarded: false }
    }

    pub(crate) fn write(&mut self, level: Level, text: fmt::Arguments<'_>) {
        self.bytes.push(level as u8);
        // It cannot fail but by a `Display` that does, and then the line ends there.
        let _ = fmt::write(self, text);
        self.bytes.push(b'\n');
        if self.bytes.len() > 2 * KEEP {
            self.discard();
        }
    }

    /// Keeps the newer half, from the beginning of a line.
    fn discard(&mut self) {
        let cut = self.bytes.len() - KEEP;
        let tail = self.bytes.get(cut..).unwrap_or_default();
        let line =
            tail.windows(2).position(|pair| matches!(pair, [b'\n', 1..=5])).map_or(cut, |at| cut + at + 1);
        self.bytes.drain(..line);
        self.discarded = true;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[cfg(any(test, target_arch = "wasm32"))]
    pub(crate) fn discarded(&self) -> bool {
        self.discarded
    }
}

impl fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // A text cannot begin a line with a level of its own.
        self.bytes.extend(text.bytes().map(|byte| if matches!(byte, 1..=5) { b'?' } else { byte }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_level_its_text_and_a_line_feed() {
        let mut lines = Lines::new();
        lines.write(Level::Info, format_args!("{} and {}", 1, 2));
        lines.write(Level::Error, format_args!("a\nb"));
        assert_eq!(lines.bytes(), b"\x031 and 2\n\x01a\nb\n");
    }

    #[test]
    fn a_text_cannot_pretend_to_be_a_line() {
        let mut lines = Lines::new();
        lines.write(Level::Debug, format_args!("a\n\x01b"));
        assert_eq!(lines.bytes(), b"\x04a\n?b\n");
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let mut lines = Lines::new();
        for number in 0..100_000 {
            lines.write(Level::Trace, format_args!("line {number}"));
        }
        assert!(lines.discarded());
        assert!(lines.bytes().len() <= 2 * KEEP);
        assert!(lines.bytes().starts_with(b"\x05line "));
        assert!(lines.bytes().ends_with(b"\x05line 99999\n"));
    }
}
