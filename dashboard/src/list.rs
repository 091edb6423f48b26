//! Lists of messages and attempts: which rows a request asks for, and one page of them.
//!
//! A list of messages with a status is made of one list per endpoint. Their pages are merged so that each row is shown
//! exactly once, whichever way one pages.

use crate::data::{base, flag, is_backwards, moment, next, page_before, query, rows, started_at, text};
use crate::{Api, Page, Request};
use futures_util::future::join_all;
use serde_json::{Value, json};
use weir_core::time::rfc3339;

/// How many rows a page has.
pub(crate) const LIMIT: usize = 50;
/// How many endpoints are asked for the messages of a status if the request names no endpoint.
pub(crate) const ENDPOINTS: usize = 10;
/// The filters of a list of messages, by their names in the URL.
pub(crate) const MESSAGE_FILTERS: [&str; 10] =
    [TEXT, "event_types", "channel", "tag", "after", "before", "status", "endpoint", "period", LIVE];
/// The filter that searches payloads. The API reads a bounded part of the log for it, and states which.
pub(crate) const TEXT: &str = "contains";
/// The filters of a list of attempts, by their names in the URL.
pub(crate) const ATTEMPT_FILTERS: [&str; 6] = ["status", "code", "event_types", "tag", "period", LIVE];
/// Whether a list updates itself: it does unless this is `off`. It selects no rows, and stays in the URL as filters do.
pub(crate) const LIVE: &str = "live";
/// The time ranges to choose from: the name in the URL, and the length in milliseconds.
const PERIODS: [(&str, i64); 3] = [("1h", 3_600_000), ("24h", 86_400_000), ("7d", 7 * 86_400_000)];

/// Whether the list of a request updates itself: the first page does, unless the reader has switched that off. `None` for
/// other pages, which never change, and for searches, which read too much to be repeated every few seconds.
pub(crate) fn live(request: &Request) -> Option<bool> {
    let first = ["iterator", "before", TEXT].iter().all(|name| request.param(name).is_none());
    first.then(|| request.param(LIVE).as_deref() != Some("off"))
}

/// The start of a time range that ends now.
fn start_of(period: Option<&str>, now: i64) -> Option<String> {
    let (_, length) = PERIODS.iter().find(|(name, _)| Some(*name) == period)?;
    Some(rfc3339(now.saturating_sub(*length)))
}

/// A list: the paths of the API that have its rows, and the filters to send.
#[derive(Debug)]
pub(crate) struct List {
    /// Paths, each with the endpoint that it belongs to. One path without an endpoint is a list of its own.
    paths: Vec<(String, Option<String>)>,
    filters: Vec<(&'static str, String)>,
}

impl List {
    /// The messages that a request asks for. `endpoints` are the application's, newest first.
    pub(crate) fn messages(request: &Request, key: &str, endpoints: &Value) -> Self {
        let of = |name: &str| request.param(name);
        let mut filters = vec![("with_content", "false".to_owned())];
        let mut add = |name, value: Option<String>| filters.extend(value.map(|value| (name, value)));
        for name in [TEXT, "event_types", "channel", "tag"] {
            add(name, of(name));
        }
        let given = of("after").map(|at| moment(&at));
        add("after", given.or_else(|| start_of(of("period").as_deref(), request.at_ms)));
        add("before", of("before").map(|at| moment(&at)));
        // A delivery that waits for a retry has failed so far.
        let status = of("status").map(|status| if status == "failing" { "2,3".to_owned() } else { status });
        let endpoint = of("endpoint");
        if status.is_none() && endpoint.is_none() {
            add("with_deliveries", Some("true".to_owned()));
            return Self { paths: vec![(base(key, &["msg"]), None)], filters };
        }
        add("status", status);
        let ids = rows(endpoints).iter().map(|endpoint| text(endpoint, "id").to_owned());
        let asked: Vec<String> = endpoint.map_or_else(|| ids.take(ENDPOINTS).collect(), |one| vec![one]);
        let paths = asked.into_iter().map(|id| (base(key, &["endpoint", &id, "msg"]), Some(id)));
        Self { paths: paths.collect(), filters }
    }

    /// Whether it would search the payloads of the log once for each of several endpoints.
    pub(crate) fn searches_repeatedly(&self) -> bool {
        self.paths.len() > 1 && self.filters.iter().any(|(name, _)| *name == TEXT)
    }

    /// The attempts of an endpoint that a request asks for.
    pub(crate) fn attempts(request: &Request, key: &str, endpoint: &str) -> Self {
        let mut filters = vec![("with_msg", "true".to_owned())];
        for (name, parameter) in [
            ("status", "status"),
            ("code", "status_code_class"),
            ("event_types", "event_types"),
            ("tag", "tag"),
        ] {
            filters.extend(request.param(name).map(|value| (parameter, value)));
        }
        let after = start_of(request.param("period").as_deref(), request.at_ms);
        filters.extend(after.map(|after| ("after", after)));
        Self { paths: vec![(base(key, &["attempt", "endpoint", endpoint]), None)], filters }
    }

    /// How many calls a page takes.
    pub(crate) fn calls(&self) -> usize {
        self.paths.len()
    }

    /// Reads a page of up to `limit` rows, next to `iterator`.
    pub(crate) async fn page<A: Api>(
        &self,
        api: &A,
        iterator: Option<&str>,
        limit: usize,
    ) -> Result<Value, Page> {
        let limit_text = limit.to_string();
        let mut pairs = vec![("limit", Some(limit_text.as_str())), ("iterator", iterator)];
        pairs.extend(self.filters.iter().map(|(name, value)| (*name, Some(value.as_str()))));
        let query = query(&pairs);
        let calls = self.paths.iter().map(|(path, _)| {
            let path = format!("{path}?{query}");
            Box::pin(async move { api.call("GET", &path, None).await })
        });
        let pages = join_all(calls).await.into_iter().map(crate::done).collect::<Result<Vec<_>, _>>()?;
        let page = if matches!(self.paths.as_slice(), [(_, None)]) {
            pages.into_iter().next().unwrap_or_default()
        } else {
            let endpoints = self.paths.iter().map(|(_, endpoint)| endpoint.as_deref().unwrap_or_default());
            let lists: Vec<(&str, Value)> =
                endpoints.zip(pages.into_iter().map(|page| started_at(page, iterator))).collect();
            merged(&lists, limit, iterator.is_some_and(is_backwards))
        };
        Ok(started_at(page, iterator))
    }
}

/// Merges the pages of several lists into one page, newest first. Each list was read up to a place of its own: rows beyond
/// the nearest of these places are left for the following page.
fn merged(lists: &[(&str, Value)], limit: usize, backwards: bool) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for (endpoint, list) in lists {
        for row in rows(list) {
            let mut row = row.clone();
            if let Some(map) = row.as_object_mut() {
                map.insert("endpoint".to_owned(), json!(endpoint));
            }
            all.push(row);
        }
    }
    let key = |row: &Value| text(row, "id").to_owned();
    // Rows of one message keep the order of the endpoints.
    all.sort_by_key(|row| std::cmp::Reverse(key(row)));
    if backwards {
        // In the direction of reading, so that rows to leave out are always at the end.
        all.reverse();
    }
    let stops = lists.iter().filter(|(_, list)| !flag(list, "done"));
    let stop = if backwards {
        let stop = |list: &Value| page_before(list).map(|stop| stop.trim_start_matches('-').to_owned());
        stops.filter_map(|(_, list)| stop(list)).min()
    } else {
        stops.filter_map(|(_, list)| next(list)).max().map(str::to_owned)
    };
    if let Some(stop) = &stop {
        all.retain(|row| {
            if backwards { text(row, "id") <= stop.as_str() } else { text(row, "id") >= stop.as_str() }
        });
    }
    let mut done = stop.is_none();
    let mut last = stop;
    if let Some(cut) = all.get(limit).map(key) {
        // Rows of one message stay together.
        all.retain(
            |row| if backwards { text(row, "id") < cut.as_str() } else { text(row, "id") > cut.as_str() },
        );
        last = all.last().map(key);
        done = false;
    }
    let last = last.or_else(|| all.last().map(key));
    let first = all.first().map(key);
    let (iterator, before) = if backwards {
        all.reverse();
        (first, last)
    } else {
        (last, first)
    };
    // One list at most searches payloads.
    let searched = lists.iter().find_map(|(_, list)| list.get("searched").cloned());
    json!({ "searched": searched, "data": all, "iterator": iterator, "prevIterator": before.map(|id| format!("-{id}")), "done": done })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::page_after;

    /// The page of a list of these ids (newest first) that the API returns.
    fn read(ids: &[i64], iterator: Option<&str>, limit: usize) -> Value {
        let backwards = iterator.is_some_and(is_backwards);
        let from: Option<i64> = iterator.and_then(|text| text.trim_start_matches('-').parse().ok());
        let beyond = |id: &&i64| from.is_none_or(|from| if backwards { **id > from } else { **id < from });
        let mut found: Vec<i64> = ids.iter().filter(beyond).copied().collect();
        if backwards {
            found.reverse();
        }
        let done = found.len() <= limit;
        found.truncate(limit);
        if backwards {
            found.reverse();
        }
        let rows: Vec<Value> = found.iter().map(|id| json!({ "id": id.to_string() })).collect();
        json!({ "data": rows, "iterator": found.last().map(i64::to_string), "prevIterator": found.first().map(|id| format!("-{id}")), "done": done })
    }

    fn page(lists: &[(&'static str, Vec<i64>)], iterator: Option<&str>, limit: usize) -> Value {
        let pages: Vec<(&str, Value)> = lists
            .iter()
            .map(|(name, ids)| (*name, started_at(read(ids, iterator, limit), iterator)))
            .collect();
        started_at(merged(&pages, limit, iterator.is_some_and(is_backwards)), iterator)
    }

    fn shown(page: &Value) -> Vec<(String, String)> {
        rows(page).iter().map(|row| (text(row, "id").to_owned(), text(row, "endpoint").to_owned())).collect()
    }

    #[test]
    fn merged_lists_show_each_row_once_in_both_directions() {
        let every = |step: usize| (100..300).rev().step_by(step).collect::<Vec<i64>>();
        let lists = [("a", every(1)), ("b", every(7)), ("c", vec![299, 150]), ("d", Vec::new())];
        let mut all: Vec<(String, String)> = lists
            .iter()
            .flat_map(|(name, ids)| ids.iter().map(|id| (id.to_string(), (*name).to_owned())))
            .collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for limit in [3, 10, 50] {
            let mut pages = vec![page(&lists, None, limit)];
            while let Some(iterator) = page_after(pages.last().expect("a page")).map(str::to_owned) {
                pages.push(page(&lists, Some(&iterator), limit));
            }
            let down: Vec<_> = pages.iter().flat_map(shown).collect();
            assert_eq!(down, all, "downwards, by {limit}");
            let mut up = vec![pages.last().expect("a page").clone()];
            while let Some(iterator) = page_before(up.last().expect("a page")).map(str::to_owned) {
                let page = page(&lists, Some(&iterator), limit);
                if rows(&page).is_empty() {
                    break;
                }
                up.push(page);
            }
            up.reverse();
            assert_eq!(up.iter().flat_map(shown).collect::<Vec<_>>(), all, "and back up, by {limit}");
            for (one, other) in up.iter().zip(up.iter().skip(1)) {
                let after = page_after(one).map(|iterator| page(&lists, Some(iterator), limit));
                let first = |page: &Value| shown(page).first().cloned();
                assert_eq!(
                    after.as_ref().and_then(first),
                    first(other),
                    "down again from a page read upwards"
                );
            }
        }
    }

    #[test]
    fn a_full_page_ends_with_all_rows_of_a_message() {
        let ids: Vec<i64> = (100..151).rev().collect();
        let page = page(&[("a", ids.clone()), ("b", ids)], None, 50);
        assert_eq!((rows(&page).len(), next(&page)), (50, Some("126")));
    }

    #[test]
    fn filters_are_sent_by_the_names_of_the_api() {
        let request =
            |query: &str| Request { query: query.to_owned(), at_ms: 7_200_000, ..Request::default() };
        let endpoints = json!({ "data": [{ "id": "ep_1" }, { "id": "ep_2" }] });
        let list = List::messages(&request("tag=eu&period=1h"), "acme", &endpoints);
        let filters = |list: &List| {
            list.filters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(list.calls(), 1);
        assert!(
            filters(&list).contains(&"after=1970-01-01T01:00:00.000Z".to_owned()),
            "{:?}",
            filters(&list)
        );
        let list = List::messages(&request("status=failing"), "acme", &endpoints);
        assert_eq!(list.calls(), 2);
        assert!(filters(&list).contains(&"status=2,3".to_owned()), "{:?}", filters(&list));
        let list = List::messages(&request("contains=ada&tag=eu"), "acme", &endpoints);
        assert!(filters(&list).contains(&"contains=ada".to_owned()), "{:?}", filters(&list));
        assert!(!list.searches_repeatedly() && live(&request("contains=ada")).is_none());
        assert!(List::messages(&request("contains=ada&status=1"), "acme", &endpoints).searches_repeatedly());
        let list = List::messages(&request("contains=ada&status=1&endpoint=ep_9"), "acme", &endpoints);
        assert!(!list.searches_repeatedly());
        let list = List::messages(&request("status=1&endpoint=ep_9"), "acme", &endpoints);
        assert_eq!(list.paths, [("app/acme/endpoint/ep_9/msg".to_owned(), Some("ep_9".to_owned()))]);
        let list = List::attempts(&request("code=500&status=2"), "acme", "ep_1");
        assert_eq!(filters(&list), ["with_msg=true", "status=2", "status_code_class=500"]);
    }
}
