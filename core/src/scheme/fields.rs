//! Fields of forms: `application/x-www-form-urlencoded`, and the text fields of `multipart/form-data`.

use std::borrow::Cow;

/// The most fields that are looked at.
const MAX_PARTS: usize = 1_000;
/// The longest head of a part that is read.
const MAX_HEAD: usize = 4 * 1024;
/// The longest boundary there is (RFC 2046).
const MAX_BOUNDARY: usize = 70;

/// Names and values.
pub(super) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The fields of a body; a multipart body's files are none.
pub(crate) fn fields<'a>(content_type: Option<&str>, body: &'a [u8]) -> Pairs<'a> {
    match content_type.and_then(boundary) {
        Some(boundary) => multipart(body, boundary),
        None => url::form_urlencoded::parse(body).take(MAX_PARTS).collect(),
    }
}

/// The boundary of a multipart form; `None` where the content type is another.
fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=MAX_BOUNDARY).contains(&boundary.len()).then_some(boundary)
}

/// The value of a parameter of a header: `a=b; c="d"`.
pub(crate) fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        key.trim().eq_ignore_ascii_case(name).then_some(bare)
    })
}

fn multipart<'a>(body: &'a [u8], boundary: &str) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let (first, next) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut fields = Vec::new();
    let Some((_, mut rest)) = cut(body, first.as_bytes()) else { return fields };
    for _ in 0..MAX_PARTS {
        // After the boundary: a line break and a part, or `--` at the end.
        let Some(part) = rest.strip_prefix(b"\r\n") else { break };
        let Some((part, tail)) = cut(part, next.as_bytes()) else { break };
        rest = tail;
        let Some((head, content)) = cut(part, b"\r\n\r\n") else { continue };
        if let Some(name) = name(head) {
            fields.push((name, String::from_utf8_lossy(content)));
        }
    }
    fields
}

/// The name of a part that is a text field.
fn name(head: &[u8]) -> Option<Cow<'_, str>> {
    let head = std::str::from_utf8(head).ok().filter(|head| head.len() <= MAX_HEAD)?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let (kind, parameters) = disposition.split_once(';')?;
    let is_field = kind.trim().eq_ignore_ascii_case("form-data")
        && parameter(parameters, "filename").is_none()
        && parameter(parameters, "filename*").is_none();
    parameter(parameters, "name").filter(|_| is_field).map(Cow::Borrowed)
}

/// What stands before and after a text.
fn cut<'a>(body: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = body.windows(at.len()).position(|window| window == at)?;
    let (head, rest) = body.split_at_checked(start)?;
    Some((head, rest.get(at.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x y\"";

    #[test]
    fn text_fields_are_read_and_files_are_not() {
        let body = b"before\r\n--x y\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\nd\r\n--x y\r\n\
            content-disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nfile\r\n--x y\r\n\
            Content-Disposition: form-data; name=empty\r\n\r\n\r\n--x y--\r\nafter";
        let found = fields(Some(TYPE), body);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(found, [("token", "abc\r\nd"), ("empty", "")]);
        assert_eq!(fields(Some("text/plain"), b"a=b+c"), [("a".into(), "b c".into())]);
    }

    proptest! {
        #[test]
        fn any_body_is_read(body: Vec<u8>, like in "(\r\n|--|x y|Content-Disposition: form-data|; name=|a|\"){0,30}") {
            let _ = (fields(Some(TYPE), &body), fields(Some(TYPE), like.as_bytes()), fields(Some(&like), &body));
        }
    }
}
