//! Bodies that arrive compressed: responses of endpoints, and events of providers.
//!
//! Weir asks for no compression, and has the platform decompress nothing: 300 bytes can become 200 MiB there, in a memory that
//! all objects share. What arrives compressed all the same is decompressed here, into a buffer of the size that is kept and no
//! further.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The body that stands behind these bytes of a response, up to `cap` bytes, as far as it can be read. The error is what the
/// response is, where this `Content-Encoding` is none that is understood here: the end of a sentence.
pub fn decoded(encoding: &str, raw: Vec<u8>, cap: usize) -> Result<Vec<u8>, String> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(raw),
        "gzip" | "x-gzip" => {
            Ok(gzip_content(&raw).map(|deflated| inflate(deflated, cap, 0)).unwrap_or_default())
        }
        // The standard's name for zlib, under which some send bare deflate.
        "deflate" => {
            let zlib = inflate(&raw, cap, TINFL_FLAG_PARSE_ZLIB_HEADER);
            Ok(if zlib.is_empty() { inflate(&raw, cap, 0) } else { zlib })
        }
        other => {
            let name: String = other.chars().filter(char::is_ascii_graphic).take(40).collect();
            Err(format!("compressed ({name}), which was not asked for, so it is not shown"))
        }
    }
}

/// Why a compressed body cannot be used as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The `Content-Encoding` is not gzip or deflate, or there are several.
    Encoding,
    /// The bytes are not what the `Content-Encoding` says, or some are missing.
    Broken,
    /// It holds more than the cap.
    TooLarge,
}

/// The whole body behind these bytes of a request, of at most `cap` bytes; `None` where it is not compressed. An empty body
/// is an empty body whatever its encoding.
pub fn whole(encoding: &str, raw: &[u8], cap: usize) -> Result<Option<Vec<u8>>, Unreadable> {
    let encoding = encoding.trim();
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is("identity") || raw.is_empty() {
        return Ok(None);
    }
    if is("deflate") {
        let zlib = inflated(raw, cap, TINFL_FLAG_PARSE_ZLIB_HEADER);
        let body = if zlib == Err(Unreadable::Broken) { inflated(raw, cap, 0) } else { zlib };
        return body.map(|(body, _)| Some(body));
    }
    if !is("gzip") && !is("x-gzip") {
        return Err(Unreadable::Encoding);
    }
    // One member, as every HTTP client sends it, and after it the checksum and the length.
    let deflated = gzip_content(raw).ok_or(Unreadable::Broken)?;
    let (body, read) = inflated(deflated, cap, 0)?;
    let length = u32::try_from(body.len()).map_err(|_| Unreadable::TooLarge)?;
    let trailer = deflated.get(read..).unwrap_or_default();
    match trailer {
        [_, _, _, _, told @ ..] if *told == length.to_le_bytes() => Ok(Some(body)),
        _ => Err(Unreadable::Broken),
    }
}

/// What deflated bytes hold, and how many of them were read.
fn inflated(deflated: &[u8], cap: usize, flags: u32) -> Result<(Vec<u8>, usize), Unreadable> {
    let (status, read, out) = run(deflated, cap, flags);
    match status {
        TINFLStatus::Done => Ok((out, read)),
        TINFLStatus::HasMoreOutput => Err(Unreadable::TooLarge),
        _ => Err(Unreadable::Broken),
    }
}

fn inflate(deflated: &[u8], cap: usize, flags: u32) -> Vec<u8> {
    run(deflated, cap, flags).2
}

fn run(deflated: &[u8], cap: usize, flags: u32) -> (TINFLStatus, usize, Vec<u8>) {
    let mut out = vec![0; cap];
    let mut state = Box::<DecompressorOxide>::default();
    let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, read, written) = decompress(&mut state, deflated, &mut out, 0, flags);
    out.truncate(written);
    (status, read, out)
}

/// What stands behind the header of a gzip file; none where that is no header.
fn gzip_content(raw: &[u8]) -> Option<&[u8]> {
    let (header, mut rest) = raw.split_at_checked(10)?;
    let &[0x1f, 0x8b, 8, flags, ..] = header else { return None };
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end..)?.get(1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;

    fn gzip(body: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
        let header = [0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255];
        [&header[..], extra, &compress_to_vec(body, 6), &[0; 8]].concat()
    }

    #[test]
    fn what_is_compressed_is_understood_up_to_the_cap() {
        let body = b"hello, hello, hello, hello, hello";
        assert_eq!(decoded("", body.to_vec(), 5).as_deref(), Ok(&body[..]), "whoever read it had the cap");
        assert_eq!(decoded("GZIP ", gzip(body, 0, &[]), 100).as_deref(), Ok(&body[..]));
        let named = [&[3, 0][..], b"abc", b"name\0", b"comment\0", &[1, 2]].concat();
        assert_eq!(decoded("x-gzip", gzip(body, 4 | 8 | 16 | 2, &named), 100).as_deref(), Ok(&body[..]));
        assert_eq!(decoded("deflate", compress_to_vec_zlib(body, 6), 100).as_deref(), Ok(&body[..]));
        assert_eq!(decoded("deflate", compress_to_vec(body, 6), 100).as_deref(), Ok(&body[..]));
        assert_eq!(decoded("gzip", gzip(body, 0, &[]), 12).as_deref(), Ok(&body[..12]));
        let why = decoded("br\u{1b}", body.to_vec(), 100).expect_err("not understood");
        assert!(why.contains("(br)"), "{why}");
    }

    #[test]
    fn a_bomb_fills_no_more_than_the_cap() {
        let bomb = gzip(&vec![0; 64 << 20], 0, &[]);
        let got = decoded("gzip", bomb, 16 << 10).expect("understood");
        assert_eq!((got.len(), got.capacity()), (16 << 10, 16 << 10));
    }

    #[test]
    fn what_breaks_off_is_given_as_far_as_it_goes() {
        let body: Vec<u8> =
            (0..20_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let whole = gzip(&body, 0, &[]);
        let got = decoded("gzip", whole[..whole.len() / 2].to_vec(), 1 << 20).expect("understood");
        assert!(got.len() > 1_000 && body.starts_with(&got), "{} bytes", got.len());
        for broken in [&b""[..], b"no gzip", &whole[..9], &[0x1f, 0x8b, 8, 31, 0, 0, 0, 0, 0, 0, 255, 255, 1]]
        {
            assert_eq!(decoded("gzip", broken.to_vec(), 100).as_deref(), Ok(&[][..]), "{broken:?}");
        }
    }

    fn gzip_file(body: &[u8]) -> Vec<u8> {
        let mut file = gzip(body, 0, &[]);
        let length = file.len();
        file[length - 4..].copy_from_slice(&u32::try_from(body.len()).expect("short").to_le_bytes());
        file
    }

    #[test]
    fn a_body_is_read_whole_or_not_at_all() {
        let body = b"hello, hello, hello, hello, hello";
        let read = |encoding: &str, raw: &[u8]| whole(encoding, raw, 100);
        for (encoding, raw) in [
            ("gzip", gzip_file(body)),
            (" X-GZIP", gzip_file(body)),
            ("deflate", compress_to_vec_zlib(body, 6)),
            ("deflate", compress_to_vec(body, 6)),
        ] {
            assert_eq!(read(encoding, &raw), Ok(Some(body.to_vec())), "{encoding}");
            assert_eq!(whole(encoding, &raw, 33), Ok(Some(body.to_vec())), "exactly the cap");
            assert_eq!(whole(encoding, &raw, 32), Err(Unreadable::TooLarge));
        }
        assert_eq!(read("", body), Ok(None));
        assert_eq!(read("identity", body), Ok(None));
        assert_eq!(read("gzip", b""), Ok(None));
        for encoding in ["br", "zstd", "gzip, gzip", "gzip, identity", "\u{e9}"] {
            assert_eq!(read(encoding, body), Err(Unreadable::Encoding), "{encoding}");
        }
        let file = gzip_file(body);
        for broken in [&body[..], &file[..file.len() - 1], &file[..12], &[&file[..], b"more"].concat()] {
            assert_eq!(read("gzip", broken), Err(Unreadable::Broken));
        }
        assert_eq!(read("deflate", &[255; 40]), Err(Unreadable::Broken));
        assert_eq!(whole("gzip", &gzip_file(&vec![0; 64 << 20]), 1 << 20), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn a_compressed_body_comes_back(body: Vec<u8>, cap in 0usize..200) {
            let expected = if body.len() <= cap { Ok(Some(body.clone())) } else { Err(Unreadable::TooLarge) };
            prop_assert_eq!(whole("gzip", &gzip_file(&body), cap), expected);
        }

        #[test]
        fn whatever_comes_is_bounded(encoding in "gzip|deflate|identity|br|.{0,60}", raw: Vec<u8>, gz: bool, cap in 0usize..200) {
            let raw = if gz { gzip(&raw, 0, &[]) } else { raw };
            match decoded(&encoding, raw.clone(), cap) {
                Ok(body) => prop_assert!(body.len() <= cap.max(raw.len())),
                Err(why) => prop_assert!(why.len() < 200),
            }
        }
    }
}
