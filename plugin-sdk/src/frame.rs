//! The frames of ABI version 1: a table of (key, offset, length) and bytes.
//!
//! Reading never panics and never allocates; what does not fit its frame is not there.

use alloc::vec::Vec;

/// The keys of a frame's entries.
pub(crate) mod key {
    pub(crate) const ID: u32 = 1;
    pub(crate) const EVENT_TYPE: u32 = 2;
    pub(crate) const TIMESTAMP: u32 = 3;
    pub(crate) const ATTEMPT: u32 = 4;
    pub(crate) const APP_ID: u32 = 5;
    pub(crate) const ENDPOINT_ID: u32 = 6;
    pub(crate) const HEADERS: u32 = 7;
    pub(crate) const CONFIG: u32 = 8;
    pub(crate) const BODY: u32 = 9;
}

/// The version of the frames.
pub(crate) const VERSION: u32 = 1;
/// Version and count.
const HEAD: usize = 8;
/// Key, offset and length.
const ENTRY: usize = 12;
/// Stands for the length of a value that is not there: the header is removed.
const REMOVED: u32 = u32::MAX;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn index(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

fn slice(bytes: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    bytes.get(offset..offset.checked_add(length)?)
}

/// The entry of a key. In an input frame the keys are 1, 2, 3, …, so it is where it has to be; any other frame is searched.
pub(crate) fn entry(frame: &[u8], key: u32) -> Option<&[u8]> {
    let at = HEAD + ENTRY * usize::try_from(key.checked_sub(1)?).ok()?;
    if word(frame, at) == Some(key) && index(frame, 4)? >= usize::try_from(key).ok()? {
        return slice(frame, index(frame, at + 4)?, index(frame, at + 8)?);
    }
    let (_, bytes) = entries(frame).find(|(have, _)| *have == key)?;
    Some(bytes)
}

/// All entries in their order, up to the first that does not fit.
pub(crate) fn entries(frame: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let count = index(frame, 4).unwrap_or_default();
    (0..count).map_while(move |nth| {
        let at = HEAD.checked_add(ENTRY.checked_mul(nth)?)?;
        Some((word(frame, at)?, slice(frame, index(frame, at + 4)?, index(frame, at + 8)?)?))
    })
}

/// Lengths beyond the address space of wasm do not occur: a frame is in its memory.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_le_bytes());
}

/// Writes a frame with these entries, each at a multiple of eight bytes.
pub(crate) fn write(entries: &[(u32, &[u8])]) -> Vec<u8> {
    let mut offset = HEAD + ENTRY * entries.len();
    let size = entries.iter().fold(offset, |size, (_, bytes)| size.next_multiple_of(8) + bytes.len());
    let mut out = Vec::with_capacity(size);
    put(&mut out, VERSION);
    put(&mut out, u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for (key, bytes) in entries {
        offset = offset.next_multiple_of(8);
        put(&mut out, *key);
        put(&mut out, u32::try_from(offset).unwrap_or(u32::MAX));
        put(&mut out, length(bytes));
        offset += bytes.len();
    }
    for (_, bytes) in entries {
        out.resize(out.len().next_multiple_of(8), 0);
        out.extend_from_slice(bytes);
    }
    out
}

/// Reads a header list; a value that is `None` removes the header.
#[derive(Clone)]
pub(crate) struct HeaderList<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> HeaderList<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes.get(4..).unwrap_or_default(), left: word(bytes, 0).unwrap_or_default() }
    }
}

impl<'a> Iterator for HeaderList<'a> {
    type Item = (&'a str, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name_length = index(self.rest, 0)?;
        let value_length = word(self.rest, 4)?;
        let name = core::str::from_utf8(slice(self.rest, 8, name_length)?).ok()?;
        let mut end = 8 + name_length;
        let value = if value_length == REMOVED {
            None
        } else {
            let value_length = usize::try_from(value_length).ok()?;
            let value = core::str::from_utf8(slice(self.rest, end, value_length)?).ok()?;
            end += value_length;
            Some(value)
        };
        self.rest = self.rest.get(end..)?;
        Some((name, value))
    }
}

/// Writes a header list.
pub(crate) fn write_headers<'h>(
    headers: impl ExactSizeIterator<Item = (&'h str, Option<&'h str>)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, u32::try_from(headers.len()).unwrap_or(u32::MAX));
    for (name, value) in headers {
        put(&mut out, length(name.as_bytes()));
        put(&mut out, value.map_or(REMOVED, |value| length(value.as_bytes())));
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.unwrap_or_default().as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_frame_is_laid_out_as_the_abi_says() {
        let frame = write(&[(2, b"a.b"), (9, b"{}")]);
        let mut expected = Vec::new();
        for word in [1, 2, 2, 32, 3, 9, 40, 2] {
            expected.extend_from_slice(&u32::to_le_bytes(word));
        }
        expected.extend_from_slice(b"a.b\0\0\0\0\0{}");
        assert_eq!(frame, expected);
        assert_eq!(entry(&frame, 9), Some(&b"{}"[..]));
        assert_eq!(entry(&frame, 2), Some(&b"a.b"[..]));
        assert_eq!(entry(&frame, 1), None);
    }

    #[test]
    fn headers_are_set_and_removed() {
        let bytes = write_headers([("x-a", Some("1")), ("x-b", None), ("x-c", Some(""))].into_iter());
        let read: Vec<_> = HeaderList::of(&bytes).collect();
        assert_eq!(read, vec![("x-a", Some("1")), ("x-b", None), ("x-c", Some(""))]);
    }

    proptest::proptest! {
        #[test]
        fn reading_any_bytes_ends_without_a_panic(bytes: Vec<u8>) {
            for key in 0..12 {
                let _ = entry(&bytes, key);
            }
            let _ = entries(&bytes).count();
            let _ = HeaderList::of(&bytes).count();
        }

        #[test]
        fn what_is_written_is_read(a: Vec<u8>, b: Vec<u8>) {
            let frame = write(&[(2, &a), (7, &b)]);
            proptest::prop_assert_eq!(entry(&frame, 2), Some(&a[..]));
            proptest::prop_assert_eq!(entry(&frame, 7), Some(&b[..]));
        }
    }
}
