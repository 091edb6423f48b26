//! Rows of a list as a file: one JSON object a line, or CSV that a spreadsheet opens as text and nothing else.

use crate::Page;
use crate::data::items;
use serde_json::Value;

/// What a message's row has in CSV: the name, and where it is in the row.
const COLUMNS: [(&str, &str); 8] = [
    ("id", "/id"),
    ("eventType", "/eventType"),
    ("eventId", "/eventId"),
    ("timestamp", "/timestamp"),
    ("status", "/statusText"),
    ("delivered", "/deliveries/success"),
    ("failed", "/deliveries/fail"),
    ("retrying", "/deliveries/sending"),
];

/// These messages as a file of this format; none where there is no such format.
pub(crate) fn messages(rows: &[Value], format: &str) -> Option<Page> {
    let (kind, name, body) = match format {
        "ndjson" => ("application/x-ndjson", "messages.ndjson", ndjson(rows)),
        "csv" => ("text/csv; charset=utf-8", "messages.csv", csv(rows)),
        _ => return None,
    };
    let mut page = Page::text(&body);
    for (header, value) in &mut page.headers {
        if *header == "content-type" {
            kind.clone_into(value);
        }
    }
    Some(page.with("content-disposition", format!("attachment; filename=\"{name}\"")))
}

fn ndjson(rows: &[Value]) -> String {
    rows.iter().fold(String::new(), |mut out, row| {
        out.push_str(&row.to_string());
        out.push('\n');
        out
    })
}

fn csv(rows: &[Value]) -> String {
    let mut out = COLUMNS.map(|(name, _)| name).join(",");
    out.push_str(",tags\r\n");
    for row in rows {
        for (_, at) in COLUMNS {
            let value = row.pointer(at).unwrap_or(&Value::Null);
            out.push_str(&cell(&value.as_str().map_or_else(
                || if value.is_null() { String::new() } else { value.to_string() },
                str::to_owned,
            )));
            out.push(',');
        }
        let tags = items(row, "tags").iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        out.push_str(&cell(&tags));
        out.push_str("\r\n");
    }
    out
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
        let page = messages(&rows, "csv").expect("a format");
        let row = page.body.lines().nth(1).expect("a row");
        assert_eq!(row, "\"msg_1\",\"a.b\",\"'=1+1\",\"\",\"\",\"2\",\"\",\"\",\"'@x y\"\"\"");
        assert!(
            page.headers
                .iter()
                .any(|(name, value)| *name == "content-disposition" && value.contains("messages.csv"))
        );
        let lines = messages(&rows, "ndjson").expect("a format").body;
        assert_eq!(serde_json::from_str::<Value>(lines.trim()).expect("json"), rows[0]);
        assert!(messages(&rows, "pdf").is_none());
    }
}
