//! Exports of lists: all rows that a request's filters select, as CSV or newline-delimited JSON.
//!
//! An export is produced page by page while the browser downloads it, so its size in memory is that of one page. It is
//! bounded by `MOST_ROWS` and by the number of calls that the platform allows per request. An export that does not
//! contain every row says so in its last line. A CSV cell never starts with a character that makes a spreadsheet treat it as
//! a formula.

use crate::data::{base, next, rows, text};
use crate::list::List;
use crate::{Api, Page, Request, done};
use serde_json::{Value, json};

/// The most rows of an export.
pub(crate) const MOST_ROWS: usize = 100_000;
/// The most calls of an export.
const MOST_CALLS: usize = 700;
/// How many rows are read at once.
const PAGE: usize = 250;

/// The columns of a CSV file: the name, and where the value is in a row.
struct Columns {
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const MESSAGES: Columns = Columns {
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

const ATTEMPTS: Columns = Columns {
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

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Ndjson,
}

/// Whether a request is for an export rather than for a page.
pub fn is_export(request: &Request) -> bool {
    let listed = matches!(request.parts().as_slice(), ["app", _, "messages"] | ["app", _, "endpoint", _]);
    listed && request.method == "GET" && request.param("export").is_some()
}

/// An export that is under way.
pub struct Export {
    list: List,
    columns: &'static Columns,
    format: Format,
    /// The page to write next, if it has been read already.
    page: Option<Value>,
    /// The iterator of the page to read next.
    iterator: Option<String>,
    rows: usize,
    calls: usize,
    /// The timestamp of the last row written.
    last: String,
    is_over: bool,
}

impl Export {
    /// Starts the export that a request asks for. The first page is read here, so that a request that the API refuses is
    /// answered with an error page instead of a file.
    pub async fn open<A: Api>(api: &A, request: &Request) -> Result<Self, Page> {
        let format = match request.param("export").as_deref() {
            Some("csv") => Format::Csv,
            Some("ndjson") => Format::Ndjson,
            _ => return Err(Page::refused(404, "Lists can be exported as csv or ndjson.")),
        };
        let (list, columns) = match request.parts().as_slice() {
            ["app", app, "messages"] => {
                let path = format!("{}?limit=250", base(app, &["endpoint"]));
                let endpoints = done(api.call("GET", &path, None).await)?;
                (List::messages(request, app, &endpoints), &MESSAGES)
            }
            ["app", app, "endpoint", id] => (List::attempts(request, app, id), &ATTEMPTS),
            _ => return Err(Page::refused(404, "There is no such list.")),
        };
        let mut export = Self {
            list,
            columns,
            format,
            page: None,
            iterator: None,
            rows: 0,
            calls: 0,
            last: String::new(),
            is_over: false,
        };
        export.page = Some(export.read(api).await?);
        Ok(export)
    }

    /// The headers of the response.
    pub fn headers(&self) -> [(&'static str, String); 4] {
        let (kind, ending) = match self.format {
            Format::Csv => ("text/csv; charset=utf-8", "csv"),
            Format::Ndjson => ("application/x-ndjson", "ndjson"),
        };
        [
            ("content-type", kind.to_owned()),
            ("content-disposition", format!("attachment; filename=\"{}.{ending}\"", self.columns.name)),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
        ]
    }

    /// Whether the whole file has been produced.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Ends the file early. `None` if it is complete already.
    pub fn stop(&mut self, why: &str) -> Option<String> {
        let mut out = String::new();
        if self.is_over {
            return None;
        }
        self.end(why, &mut out);
        Some(out)
    }

    /// The next part of the file. `None` after the last one.
    pub async fn next<A: Api>(&mut self, api: &A) -> Option<String> {
        if self.is_over {
            return None;
        }
        let mut out = String::new();
        if self.rows == 0 && self.last.is_empty() && self.format == Format::Csv && self.page.is_some() {
            self.header(&mut out);
        }
        let page = match self.page.take() {
            Some(page) => page,
            None => match self.read(api).await {
                Ok(page) => page,
                Err(page) => {
                    self.end(&page.sentence.unwrap_or_default(), &mut out);
                    return Some(out);
                }
            },
        };
        for row in rows(&page).iter().take(MOST_ROWS.saturating_sub(self.rows)) {
            self.row(row, &mut out);
        }
        self.iterator = next(&page).map(str::to_owned);
        let most = MOST_CALLS.saturating_sub(self.list.calls());
        if self.iterator.is_none() {
            self.is_over = true;
        } else if self.rows >= MOST_ROWS || self.calls > most {
            self.end("An export has a limited number of rows.", &mut out);
        }
        Some(out)
    }

    async fn read<A: Api>(&mut self, api: &A) -> Result<Value, Page> {
        self.calls = self.calls.saturating_add(self.list.calls());
        self.list.page(api, self.iterator.as_deref(), PAGE).await
    }

    fn header(&self, out: &mut String) {
        let names: Vec<&str> = self.columns.columns.iter().map(|(name, _)| *name).collect();
        out.push_str(&names.join(","));
        out.push_str("\r\n");
    }

    fn row(&mut self, row: &Value, out: &mut String) {
        match self.format {
            Format::Ndjson => {
                out.push_str(&row.to_string());
                out.push('\n');
            }
            Format::Csv => {
                let value = |at: &str| cell(&plain(row.pointer(at).unwrap_or(&Value::Null)));
                let cells: Vec<String> = self.columns.columns.iter().map(|(_, at)| value(at)).collect();
                out.push_str(&cells.join(","));
                out.push_str("\r\n");
            }
        }
        self.rows = self.rows.saturating_add(1);
        text(row, "timestamp").clone_into(&mut self.last);
    }

    /// Ends a file that does not have every row, with a line that says so and where to continue.
    fn end(&mut self, why: &str, out: &mut String) {
        self.is_over = true;
        let last = json!({ "incomplete": true, "rows": self.rows, "before": self.last, "reason": why });
        match self.format {
            Format::Ndjson => {
                out.push_str(&last.to_string());
                out.push('\n');
            }
            Format::Csv => {
                let sentence =
                    format!("INCOMPLETE after {} rows. {why} Continue before {}.", self.rows, self.last);
                let empty = ",\"\"".repeat(self.columns.columns.len().saturating_sub(1));
                out.push_str(&cell(&sentence));
                out.push_str(&empty);
                out.push_str("\r\n");
            }
        }
    }
}

/// A value as text; the items of a list are separated by spaces.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A cell. Text that a spreadsheet would evaluate as a formula is quoted: customers and providers write it.
fn cell(text: &str) -> String {
    let computes = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if computes { "'" } else { "" }, text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// An API with one list of this many rows, which fails after this many calls.
    struct Rows {
        many: usize,
        calls: Cell<usize>,
        fails_after: usize,
    }

    impl Rows {
        fn new(many: usize) -> Self {
            Self { many, calls: Cell::new(0), fails_after: usize::MAX }
        }
    }

    impl Api for Rows {
        async fn fetch(&self, _: &str, path: &str, _: Vec<u8>) -> (u16, Vec<u8>) {
            self.calls.set(self.calls.get().saturating_add(1));
            if self.calls.get() > self.fails_after {
                return (503, br#"{"detail":"Try again later."}"#.to_vec());
            }
            let query = path.split_once('?').map_or("", |(_, query)| query);
            let of = |name: &str| {
                form_urlencoded::parse(query.as_bytes())
                    .find(|(known, _)| known == name)
                    .map(|(_, value)| value.into_owned())
            };
            let from: usize = of("iterator").and_then(|at| at.parse().ok()).unwrap_or(0);
            let limit: usize = of("limit").and_then(|at| at.parse().ok()).unwrap_or(50);
            let until = self.many.min(from.saturating_add(limit));
            let data: Vec<Value> = (from..until).map(|n| json!({ "id": format!("{n:07}"), "eventId": "=1+1", "timestamp": format!("t{n}"), "tags": ["@x", "y\""] })).collect();
            let page = json!({ "data": data, "iterator": until.to_string(), "prevIterator": null, "done": until == self.many });
            (200, page.to_string().into_bytes())
        }
    }

    fn now<T>(work: impl Future<Output = T>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    fn request(path: &str, query: &str) -> Request {
        Request::new("GET", path, query, b"")
    }

    fn exported(api: &Rows, request: &Request) -> (Vec<String>, Export) {
        assert!(is_export(request));
        let mut export = now(Export::open(api, request)).expect("an export");
        let mut parts = Vec::new();
        while let Some(part) = now(export.next(api)) {
            parts.push(part);
        }
        (parts, export)
    }

    #[test]
    fn an_export_has_every_row_and_holds_one_page_at_a_time() {
        let api = Rows::new(2_620);
        let (parts, export) = exported(&api, &request("/dashboard/app/acme/messages", "export=ndjson"));
        let lines: Vec<Value> =
            parts.concat().lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!(lines.len(), 2_620);
        assert!(lines.iter().all(|line| line.get("incomplete").is_none()));
        assert!(parts.len() >= 11 && export.is_over(), "{} parts", parts.len());
        let (parts, export) = exported(&api, &request("/dashboard/app/acme/endpoint/ep_1", "export=csv"));
        assert_eq!(parts.concat().lines().count(), 2_621, "with the names of the columns");
        assert!(export.headers().iter().any(|(_, value)| value == "attachment; filename=\"attempts.csv\""));
        let (parts, _) = exported(&Rows::new(0), &request("/dashboard/app/acme/messages", "export=csv"));
        assert_eq!(parts.concat().lines().count(), 1, "only the names of the columns");
    }

    #[test]
    fn an_export_that_is_not_complete_says_so_in_its_last_line() {
        let api = Rows::new(MOST_ROWS.saturating_add(1));
        for (format, columns) in [("ndjson", 0), ("csv", 10)] {
            let (parts, export) =
                exported(&api, &request("/dashboard/app/acme/messages", &format!("export={format}")));
            let file = parts.concat();
            let last = file.lines().last().expect("a line");
            assert_eq!(export.rows, MOST_ROWS);
            assert!(last.to_lowercase().contains("incomplete") && last.contains("t99999"), "{last}");
            assert!(columns == 0 || last.split("\",\"").count() == columns, "{last}");
        }
        let mut failing = Rows::new(1_000);
        failing.fails_after = 3;
        let (parts, _) = exported(&failing, &request("/dashboard/app/acme/messages", "export=ndjson"));
        let file = parts.concat();
        assert_eq!(file.lines().count(), 501, "two pages and the last line");
        assert!(file.lines().last().expect("a line").contains("Try again later."), "{file}");
    }

    #[test]
    fn a_request_that_the_api_refuses_is_no_file() {
        let mut failing = Rows::new(1);
        failing.fails_after = 0;
        let page = now(Export::open(&failing, &request("/dashboard/app/a/messages", "export=csv")));
        assert_eq!(page.err().map(|page| page.status), Some(503));
        let page = now(Export::open(&Rows::new(1), &request("/dashboard/app/a/messages", "export=pdf")));
        assert_eq!(page.err().map(|page| page.status), Some(404));
        assert!(!is_export(&request("/dashboard/app/a", "export=csv")));
        assert!(!is_export(&Request::new("HEAD", "/dashboard/app/a/messages", "export=csv", b"")));
    }

    #[test]
    fn a_spreadsheet_evaluates_nothing_that_others_wrote() {
        let (parts, _) = exported(&Rows::new(1), &request("/dashboard/app/acme/messages", "export=csv"));
        let file = parts.concat();
        let row = file.lines().nth(1).expect("a row");
        assert_eq!(row, "\"0000000\",\"\",\"'=1+1\",\"t0\",\"\",\"\",\"\",\"\",\"\",\"'@x y\"\"\"");
    }
}
