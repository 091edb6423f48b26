//! Bodies that come compressed though nobody asked for it.
//!
//! Weir asks for no compression, and has the platform decompress nothing: 300 bytes can become 200 MiB there, in a memory that
//! all objects share. What comes compressed all the same is decompressed here, into a buffer of the size that is kept and no
//! further.

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

fn inflate(deflated: &[u8], cap: usize, flags: u32) -> Vec<u8> {
    let mut out = vec![0; cap];
    let mut state = Box::<DecompressorOxide>::default();
    let flags = flags | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (_, _, written) = decompress(&mut state, deflated, &mut out, 0, flags);
    out.truncate(written);
    out
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

    proptest! {
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
