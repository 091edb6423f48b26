//! Forms with files, as browsers send them (RFC 7578).

/// The fields and files of a body.
pub(crate) type Parts = (Vec<(String, String)>, Vec<(String, Vec<u8>)>);

const BREAK: &[u8] = b"\r\n";
/// The maximum number of parts.
const MAX_PARTS: usize = 100;

/// Parses a body; `None` if it is not multipart. A multipart body starts with its boundary; a URL-encoded form has no line
/// breaks.
pub(crate) fn read(body: &[u8]) -> Option<Parts> {
    let end = find(body, BREAK)?;
    let boundary = body.get(..end).filter(|line| line.starts_with(b"--"))?;
    let mut parts = Parts::default();
    let mut rest = body.get(end..)?;
    // Each boundary is on its own line; the last one ends with two dashes.
    let delimiter = [BREAK, boundary].concat();
    while let Some(at) = find(rest, &delimiter) {
        if parts.0.len().saturating_add(parts.1.len()) >= MAX_PARTS {
            return None;
        }
        let part = rest.get(BREAK.len()..at)?;
        rest = rest.get(at.saturating_add(delimiter.len())..)?;
        let split = find(part, b"\r\n\r\n")?;
        let (head, value) =
            (String::from_utf8_lossy(part.get(..split)?), part.get(split.saturating_add(4)..)?);
        let named = |what: &str| {
            let (_, rest) = head.split_once(&format!("{what}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let name = named(" name")?;
        if named("filename").is_some() {
            parts.1.push((name, value.to_vec()));
        } else {
            parts.0.push((name, String::from_utf8_lossy(value).into_owned()));
        }
        if rest.starts_with(b"--") {
            return Some(parts);
        }
    }
    None
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (head, value) in parts {
            body.extend_from_slice(
                format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(value);
            body.extend_from_slice(BREAK);
        }
        body.extend_from_slice(b"--edge--\r\n");
        body
    }

    #[test]
    fn fields_and_files_are_told_apart_and_bytes_stay_as_they_are() {
        let bytes = b"\0asm\x01\r\n--not the edge\r\n\xff";
        let file = "name=\"wasm\"; filename=\"a.wasm\"\r\nContent-Type: application/wasm";
        let sent = body(&[("name=\"_proof\"", b"p"), (file, bytes), ("name=\"note\"", "é\r\n2".as_bytes())]);
        let (fields, files) = read(&sent).unwrap();
        assert_eq!(fields, [("_proof".into(), "p".into()), ("note".into(), "é\r\n2".into())]);
        assert_eq!(files, [("wasm".into(), bytes.to_vec())]);
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_none() {
        let sent = body(&[("name=\"a\"", b"1"), ("name=\"b\"; filename=\"\"", b"")]);
        assert!(read(&sent).is_some());
        for end in 0..sent.len() - 4 {
            assert_eq!(read(&sent[..end]), None, "{end}");
        }
        for other in [&b"a=1&b=2"[..], b"", b"--", b"--\r\n", b"a\r\n--a--"] {
            assert_eq!(read(other), None);
        }
    }
}
