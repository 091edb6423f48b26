//! Rows of a list as a file: one JSON object a line, or CSV that a spreadsheet opens as text and nothing else.

use crate::Page;
use serde_json::Value;

/// What a row has in CSV: the name, and where it is in the row.
pub(crate) struct Columns {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

/// The columns of messages.
pub(crate) const MESSAGES: Columns = Columns {
    name: "messages",
    columns: &[
        ("id", "/id"),
        ("eventType", "/eventType"),
        ("eventId", "/eventId"),
        ("timestamp", "/timestamp"),
        ("endpoint", "/endpoint"),
        ("status", "/statusText"),
        ("delivered", "/deliveries/success"),
        ("failed", "/deliveries/fail"),
        ("retrying", "/deliveries/sending"),
        ("tags", "/tags"),
    ],
};

/// The columns of attempts.
pub(crate) const ATTEMPTS: Columns = Columns {
    name: "attempts",
    columns: &[
        ("id", "/id"),
        ("messageId", "/msgId"),
        ("eventType", "/msg/eventType"),
        ("timestamp", "/timestamp"),
        ("status", "/statusText"),
        ("code", "/responseStatusCode"),
        ("durationMs", "/responseDurationMs"),
        ("url", "/url"),
        ("response", "/response"),
    ],
};

/// These rows as a file of this format. Where the list goes on, the file's name says so.
pub(crate) fn file(what: &Columns, rows: &[Value], format: &str, complete: bool) -> Result<Page, Page> {
    let (kind, body) = match format {
        "ndjson" => ("application/x-ndjson", ndjson(rows)),
        "csv" => ("text/csv; charset=utf-8", csv(what, rows)),
        _ => return Err(Page::refused(404, "A list is exported as csv or ndjson.")),
    };
    let mut page = Page::text(&body);
    for (header, value) in &mut page.headers {
        if *header == "content-type" {
            kind.clone_into(value);
        }
    }
    let part = if complete { String::new() } else { format!("-newest-{}", rows.len()) };
    let name = format!("{}{part}.{format}", what.name);
    Ok(page.with("content-disposition", format!("attachment; filename=\"{name}\"")))
}

fn ndjson(rows: &[Value]) -> String {
    rows.iter().fold(String::new(), |mut out, row| {
        out.push_str(&row.to_string());
        out.push('\n');
        out
    })
}

fn csv(what: &Columns, rows: &[Value]) -> String {
    let mut out = what.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    out.push_str("\r\n");
    for row in rows {
        let cells = what.columns.iter().map(|(_, at)| cell(&plain(row.pointer(at).unwrap_or(&Value::Null))));
        out.push_str(&cells.collect::<Vec<_>>().join(","));
        out.push_str("\r\n");
    }
    out
}

/// A value as one text; a list's texts side by side.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A cell. What a spreadsheet would compute is text: others have written it.
fn cell(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if computes { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spreadsheet_computes_nothing_of_what_others_wrote() {
        let rows = [
            json!({ "id": "msg_1", "eventType": "a.b", "eventId": "=1+1", "tags": ["@x", "y\""], "deliveries": { "success": 2 } }),
        ];
        let page = file(&MESSAGES, &rows, "csv", true).expect("a format");
        let row = page.body.lines().nth(1).expect("a row");
        assert_eq!(row, "\"msg_1\",\"a.b\",\"'=1+1\",\"\",\"\",\"\",\"2\",\"\",\"\",\"'@x y\"\"\"");
        let name = |page: &Page| {
            page.headers
                .iter()
                .any(|(name, value)| *name == "content-disposition" && value.contains("messages.csv"))
        };
        assert!(name(&page) && !name(&file(&MESSAGES, &rows, "csv", false).expect("a format")));
        let lines = file(&MESSAGES, &rows, "ndjson", true).expect("a format").body;
        assert_eq!(serde_json::from_str::<Value>(lines.trim()).expect("json"), rows[0]);
        assert_eq!(file(&MESSAGES, &rows, "pdf", true).expect_err("no format").status, 404);
        let attempt = json!({ "id": "atmpt_1", "responseStatusCode": 500, "response": "-1\n<b>" });
        let page = file(&ATTEMPTS, &[attempt], "csv", true).expect("a format");
        assert!(page.body.contains("\"500\",\"\",\"\",\"'-1\n<b>\""), "{}", page.body);
    }
}
