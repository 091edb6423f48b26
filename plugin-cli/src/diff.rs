//! The differences between two bodies, line by line.

/// The lines of both, each with ` `, `-` or `+` before it. JSON is laid out first, so that a change is on a line of its own.
pub(crate) fn lines(before: &[u8], after: &[u8]) -> Vec<String> {
    let (before, after) = (layout(before), layout(after));
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    // Longest common subsequence; bodies that make too large a table are shown one after the other.
    if before.len().saturating_mul(after.len()) > 4_000_000 {
        let removed = before.iter().map(|line| format!("-{line}"));
        return removed.chain(after.iter().map(|line| format!("+{line}"))).collect();
    }
    let width = after.len() + 1;
    let mut common = vec![0_u32; (before.len() + 1) * width];
    for (i, left) in before.iter().enumerate().rev() {
        for (j, right) in after.iter().enumerate().rev() {
            common[i * width + j] = if left == right {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < before.len() || j < after.len() {
        if i < before.len() && j < after.len() && before[i] == after[j] {
            lines.push(format!(" {}", before[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= after.len()
            || i < before.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            lines.push(format!("-{}", before[i]));
            i += 1;
        } else {
            lines.push(format!("+{}", after[j]));
            j += 1;
        }
    }
    lines
}

/// JSON with a line for each value, its texts and numbers as they are written; anything else as it is.
fn layout(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
        return text.into_owned();
    }
    let mut out = String::new();
    let (mut depth, mut in_text, mut escaped, mut previous) = (0_usize, false, false, ' ');
    for char in text.chars() {
        if in_text {
            out.push(char);
            in_text = char != '"' || escaped;
            escaped = char == '\\' && !escaped;
            if !in_text {
                previous = '"';
            }
            continue;
        }
        if char.is_whitespace() {
            continue;
        }
        let newline = |out: &mut String, depth: usize| {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        };
        match char {
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !matches!(previous, '{' | '[') {
                    newline(&mut out, depth);
                }
            }
            _ if matches!(previous, '{' | '[') => newline(&mut out, depth),
            _ => {}
        }
        out.push(char);
        match char {
            '{' | '[' => depth += 1,
            ',' => newline(&mut out, depth),
            ':' => out.push(' '),
            '"' => in_text = true,
            _ => {}
        }
        previous = char;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_on_a_line_of_its_own() {
        let before = br#"{"a": 1.0, "b": {"c": "x, {y}"}, "d": []}"#;
        let after = br#"{"a":1.0,"b":{"c":"z"},"d":[]}"#;
        let expected = [
            " {",
            "   \"a\": 1.0,",
            "   \"b\": {",
            "-    \"c\": \"x, {y}\"",
            "+    \"c\": \"z\"",
            "   },",
            "   \"d\": []",
            " }",
        ];
        assert_eq!(lines(before, after), expected);
    }

    #[test]
    fn what_is_no_json_is_compared_as_it_is() {
        assert_eq!(lines(b"one\ntwo", b"one\nthree"), [" one", "-two", "+three"]);
        assert_eq!(lines(b"", b"{}"), ["+{}"]);
    }
}
