//! Lists in pages, by iterator.
//!
//! An iterator is the key (id or name) of the last item seen; with a `-` before it, the page ends right
//! before that key instead. A page is read with one row more than asked for, which tells whether it is the
//! last. Because a place in the list is a key and not a count, items that are added or deleted meanwhile
//! move nothing.

use super::call::Reply;
use crate::error::ApiError;
use crate::id;
use crate::query::Query;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// The number of items when the caller names none.
pub const DEFAULT_LIMIT: u16 = 50;
/// The most items of one page.
pub const MAX_LIMIT: u16 = 250;

/// A page ends with the item that makes it longer than this many bytes, whatever the limit: the caller continues from
/// there.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The maximum number of rows that are read for one page with filters. The page then ends early, with the place to
/// continue from.
pub const LOOK_MAX: usize = 4096;
/// How many rows are read at once, at least, where filters let few pass.
const STEP: i64 = 64;

/// In which order a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest (or lowest name) first.
    Ascending,
    /// Newest (or highest name) first.
    Descending,
}

/// What the iterators of a list look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Ids with this prefix.
    Id(&'static str),
    /// Names of event types.
    Name,
}

/// The page of a list that a caller requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    limit: u16,
    order: Order,
    /// The key next to which the page begins, exclusive.
    from: Option<String>,
    backwards: bool,
}

/// A page, as every list is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "ListResponse{T}"))]
#[serde(rename_all = "camelCase")]
pub struct ListOut<T> {
    /// The items of this page.
    pub data: Vec<T>,
    /// Pass it as `iterator` to get the next page. `null` if this page is empty.
    pub iterator: Option<String>,
    /// Pass it as `iterator` to get the previous page. `null` if this page is empty.
    pub prev_iterator: Option<String>,
    /// Whether this is the last page in the direction of reading.
    pub done: bool,
}

impl Page {
    /// Reads `limit`, `iterator` and `order`.
    pub fn from_query(query: &Query, keys: Keys, default: Order) -> Result<Self, ApiError> {
        let mut page = Self::from_query_ordered(query, keys, default)?;
        page.order = match query.text("order") {
            None => default,
            Some("ascending") => Order::Ascending,
            Some("descending") => Order::Descending,
            Some(_) => return Err(ApiError::invalid(&["query", "order"], "Send ascending or descending.")),
        };
        Ok(page)
    }

    /// Reads `limit` and `iterator` of a list that has one order only (messages, attempts).
    pub fn from_query_ordered(query: &Query, keys: Keys, order: Order) -> Result<Self, ApiError> {
        let limit = match query.int("limit")? {
            None => DEFAULT_LIMIT,
            Some(limit) => u16::try_from(limit)
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| {
                    ApiError::invalid(&["query", "limit"], format!("Send a number from 1 to {MAX_LIMIT}."))
                })?,
        };
        let iterator = query.text("iterator").filter(|text| !text.is_empty());
        let backwards = iterator.is_some_and(|text| text.starts_with('-'));
        let from = match (iterator, backwards) {
            (Some(text), true) => text.get(1..),
            (other, _) => other,
        };
        let well_formed = |key: &str| match keys {
            Keys::Id(prefix) => id::is(prefix, key),
            Keys::Name => super::model::is_name(key),
        };
        if from.is_some_and(|key| !well_formed(key)) {
            return Err(ApiError::invalid(
                &["query", "iterator"],
                "Send the iterator of an earlier page of this list, as it was.",
            ));
        }
        Ok(Self { limit, order, from: from.map(str::to_owned), backwards })
    }

    /// Whether the rows are to be read with rising keys: `key > from ORDER BY key`, else
    /// `key < from ORDER BY key DESC`.
    pub fn reads_ascending(&self) -> bool {
        (self.order == Order::Ascending) != self.backwards
    }

    /// The key that the rows must be beyond; for the first page, text below or above every key.
    pub fn from(&self) -> &str {
        self.from.as_deref().unwrap_or(if self.reads_ascending() { "" } else { "~" })
    }

    /// Whether the caller continues from an earlier page.
    pub fn continues(&self) -> bool {
        self.from.is_some()
    }

    /// The number of items that the caller requested.
    pub fn limit(&self) -> usize {
        usize::from(self.limit)
    }

    /// How many rows to read: one more than wanted.
    pub fn probe(&self) -> i64 {
        i64::from(self.limit).saturating_add(1)
    }

    /// Makes the answer of the rows read, given in the order in which they were read.
    pub fn finish<T>(&self, mut rows: Vec<T>, key: impl Fn(&T) -> &str) -> ListOut<T> {
        let done = rows.len() <= self.limit();
        rows.truncate(self.limit());
        if self.backwards {
            rows.reverse();
        }
        ListOut {
            iterator: rows.last().map(|row| key(row).to_owned()),
            prev_iterator: rows.first().map(|row| format!("-{}", key(row))),
            data: rows,
            done,
        }
    }
}

/// Rows in the order in which a page is read, one more than it has where there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The last row looked at, where the search ended before the page was full.
    pub stopped: Option<String>,
}

impl<T> From<Vec<T>> for Rows<T> {
    fn from(rows: Vec<T>) -> Self {
        Self { rows, stopped: None }
    }
}

impl Page {
    /// Writes the items of a page, one after the other, until there are enough, or enough bytes of them. What `write`
    /// gives nothing for is passed over.
    pub fn fill<T, E>(
        &self,
        found: impl Into<Rows<T>>,
        key: impl Fn(&T) -> &str,
        mut write: impl FnMut(&T) -> Result<Option<Box<RawValue>>, E>,
    ) -> Result<ListOut<Box<RawValue>>, E> {
        let Rows { rows, mut stopped } = found.into();
        let (mut data, mut bytes) = (Vec::new(), 0usize);
        let (mut first, mut last) = (None, None);
        for row in rows.iter().take(self.limit()) {
            if bytes >= MAX_BYTES {
                stopped.clone_from(&last);
                break;
            }
            if let Some(item) = write(row)? {
                bytes = bytes.saturating_add(item.get().len());
                data.push(item);
            }
            last = Some(key(row).to_owned());
            first = first.or_else(|| last.clone());
        }
        let done = stopped.is_none() && rows.len() <= self.limit();
        let last = stopped.or(last);
        let back = |key: Option<String>| key.map(|key| format!("-{key}"));
        let (iterator, prev_iterator) = if self.backwards {
            data.reverse();
            (first, back(last))
        } else {
            (last, back(first))
        };
        Ok(ListOut { data, iterator, prev_iterator, done })
    }

    /// The whole answer of rows that are written as they are.
    pub fn answer<T: Serialize>(
        &self,
        found: impl Into<Rows<T>>,
        key: impl Fn(&T) -> &str,
    ) -> Result<Reply, ApiError> {
        self.answer_with(found, key, |row| Ok(Some(raw(row)?)))
    }

    /// The whole answer, with the items that `write` makes of the rows.
    pub fn answer_with<T>(
        &self,
        found: impl Into<Rows<T>>,
        key: impl Fn(&T) -> &str,
        write: impl FnMut(&T) -> Result<Option<Box<RawValue>>, ApiError>,
    ) -> Result<Reply, ApiError> {
        Ok(Reply::json(200, &self.fill(found, key, write)?))
    }

    /// Finds those rows that `keeps` lets through. `read` gives up to so many rows beyond a key, in the
    /// order in which the page is read.
    pub fn gather<T, E>(
        &self,
        mut read: impl FnMut(&str, i64) -> Result<Vec<T>, E>,
        key: impl Fn(&T) -> &str,
        keeps: impl Fn(&T) -> bool,
    ) -> Result<Rows<T>, E> {
        let wanted = self.limit().saturating_add(1);
        let (mut at, mut step) = (self.from().to_owned(), self.probe());
        let (mut found, mut looked) = (Vec::new(), 0usize);
        let stopped = loop {
            let rows = read(&at, step)?;
            let is_end = i64::try_from(rows.len()).is_ok_and(|count| count < step);
            looked = looked.saturating_add(rows.len());
            for row in rows {
                key(&row).clone_into(&mut at);
                if found.len() < wanted && keeps(&row) {
                    found.push(row);
                }
            }
            if found.len() >= wanted || is_end {
                break None;
            }
            if looked >= LOOK_MAX {
                break Some(at);
            }
            step = step.max(STEP);
        };
        Ok(Rows { rows: found, stopped })
    }
}

/// An item, as it is answered.
pub fn raw(item: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    to_raw_value(item).map_err(|error| ApiError::Internal(format!("an item could not be written: {error}")))
}

impl<T> ListOut<T> {
    /// The same page with other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> ListOut<U> {
        ListOut {
            data: self.data.into_iter().map(change).collect(),
            iterator: self.iterator,
            prev_iterator: self.prev_iterator,
            done: self.done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Seeded;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn page(raw: &str) -> Result<Page, ApiError> {
        Page::from_query(&Query::parse(raw), Keys::Name, Order::Ascending)
    }

    /// What an object does with SQL, done with a set.
    fn read(keys: &BTreeSet<String>, page: &Page) -> ListOut<String> {
        let take = usize::try_from(page.probe()).expect("small");
        let rows: Vec<String> = if page.reads_ascending() {
            keys.iter().filter(|k| k.as_str() > page.from()).take(take).cloned().collect()
        } else {
            keys.iter().rev().filter(|k| k.as_str() < page.from()).take(take).cloned().collect()
        };
        page.finish(rows, |key| key)
    }

    /// The page of keys, read as texts.
    fn written(
        page: &Page,
        found: impl Into<Rows<String>>,
        write: impl Fn(&str) -> Box<RawValue>,
    ) -> ListOut<String> {
        let out = page.fill(found, |key| key, |key| Ok::<_, ()>(Some(write(key)))).expect("a page");
        out.map(|item| {
            serde_json::from_str::<Vec<String>>(item.get()).map_or_else(
                |_| serde_json::from_str(item.get()).expect("a text"),
                |mut texts| texts.remove(0),
            )
        })
    }

    #[test]
    fn a_page_ends_by_bytes_and_leads_on_in_both_directions() {
        let keys: BTreeSet<String> = (0..9).map(|n| format!("n{n}")).collect();
        let large = |key: &str| to_raw_value(&[key, &"x".repeat(MAX_BYTES / 2)]).expect("written");
        for (order, backwards) in
            [("ascending", false), ("descending", false), ("ascending", true), ("descending", true)]
        {
            let mut iterator = match (backwards, order) {
                (false, _) => String::new(),
                (true, "ascending") => "-z".to_owned(),
                (true, _) => "-a".to_owned(),
            };
            let mut seen = Vec::new();
            for pages in 0.. {
                let page = page(&format!("limit=4&order={order}&iterator={iterator}")).expect("a page");
                let take = usize::try_from(page.probe()).expect("small");
                let rows: Vec<String> = if page.reads_ascending() {
                    keys.iter().filter(|key| key.as_str() > page.from()).take(take).cloned().collect()
                } else {
                    keys.iter().rev().filter(|key| key.as_str() < page.from()).take(take).cloned().collect()
                };
                let mut out = written(&page, rows, large);
                assert!((1..=2).contains(&out.data.len()), "two of half the size fill a page");
                if backwards {
                    out.data.reverse();
                }
                seen.extend(out.data);
                match if backwards { out.prev_iterator } else { out.iterator } {
                    Some(next) if !out.done => iterator = next,
                    _ => break,
                }
                assert!(pages < 9);
            }
            let unique: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!((&unique, seen.len()), (&keys, keys.len()), "{order} {backwards}: {seen:?}");
        }
        let page = page("limit=4").expect("a page");
        let huge = |key: &str| to_raw_value(&[key, &"x".repeat(3 * MAX_BYTES)]).expect("written");
        let out = written(&page, vec!["a".to_owned(), "b".to_owned()], huge);
        assert_eq!(
            (out.data.join(""), out.done, out.iterator.as_deref()),
            ("a".into(), false, Some("a")),
            "one at least"
        );
        let out = written(&page, vec!["a".to_owned()], huge);
        assert!(out.done, "nothing was left out");
    }

    #[test]
    fn pages_follow_their_iterators_in_both_directions() {
        let keys: BTreeSet<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        let list = |raw: &str| read(&keys, &page(raw).expect(raw));
        let first = list("limit=2");
        assert_eq!((first.data.join(""), first.done), ("ab".into(), false));
        assert_eq!(first.iterator.as_deref(), Some("b"));
        assert_eq!(first.prev_iterator.as_deref(), Some("-a"));
        let last = list("limit=3&iterator=b");
        assert_eq!((last.data.join(""), last.done), ("cde".into(), true));
        let back = list("limit=2&iterator=-e");
        assert_eq!((back.data.join(""), back.done), ("cd".into(), false));
        assert_eq!(list("limit=2&iterator=-c").data.join(""), "ab");
        let down = list("limit=2&order=descending&iterator=d");
        assert_eq!((down.data.join(""), down.iterator.as_deref()), ("cb".into(), Some("b")));
        assert_eq!(list("limit=2&order=descending&iterator=-b").data.join(""), "dc");
        let beyond = list("iterator=e");
        assert_eq!(
            (beyond.data.len(), beyond.iterator, beyond.prev_iterator, beyond.done),
            (0, None, None, true)
        );
    }

    #[test]
    fn what_is_no_page_is_a_422() {
        for raw in [
            "limit=0",
            "limit=251",
            "limit=-1",
            "limit=x",
            "limit=99999999999",
            "order=up",
            "iterator=a%20b",
            "iterator=-",
        ] {
            assert_eq!(page(raw).expect_err(raw).http_status(), 422, "{raw}");
        }
        assert_eq!(page("limit=250&iterator=").expect("a page").limit(), 250);
        assert_eq!(page("").expect("a page").limit(), 50);
    }

    #[test]
    fn an_iterator_of_another_kind_or_a_broken_one_is_a_422() {
        let good = id::new(id::MESSAGE, 1_795_000_000_000, &mut Seeded(1));
        let read = |iterator: &str| {
            let query = Query::parse(&format!("iterator={iterator}"));
            Page::from_query_ordered(&query, Keys::Id(id::MESSAGE), Order::Descending)
        };
        assert!(read(&good).is_ok() && read(&format!("-{good}")).is_ok());
        assert!(!read(&good).expect("a page").reads_ascending());
        assert!(read(&format!("-{good}")).expect("a page").reads_ascending());
        for bad in ["msg_bad", "--", &good.replace("msg_", "ep_"), &format!("--{good}")] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_whose_filter_matches_little_ends_early_and_says_where_to_go_on() {
        let keys: BTreeSet<String> = (0..10_000).map(|n| format!("n{n:05}")).collect();
        for (order, backwards) in [("ascending", false), ("ascending", true), ("descending", false)] {
            let (mut iterator, mut found, mut pages) = (String::new(), Vec::new(), 0);
            if backwards {
                "-z".clone_into(&mut iterator);
            }
            loop {
                let page = page(&format!("limit=2&order={order}&iterator={iterator}")).expect("a page");
                let mut looked = 0;
                let mut read = |from: &str, count: i64| {
                    let count = usize::try_from(count).expect("small");
                    let above = keys.iter().filter(|key| key.as_str() > from).take(count).cloned();
                    let below = keys.iter().rev().filter(|key| key.as_str() < from).take(count).cloned();
                    let rows: Vec<String> =
                        if page.reads_ascending() { above.collect() } else { below.collect() };
                    looked += rows.len();
                    Ok::<_, ()>(rows)
                };
                let rows = page.gather(&mut read, |key| key, |key| key.ends_with("5000")).expect("rows");
                let out = written(&page, rows, |key| to_raw_value(key).expect("written"));
                assert!(looked <= LOOK_MAX + 64, "{looked}");
                pages += 1;
                found.extend(out.data);
                match if backwards { out.prev_iterator } else { out.iterator } {
                    Some(next) if !out.done => iterator = next,
                    _ => break,
                }
            }
            assert_eq!((found, pages), (vec!["n05000".to_owned()], 3), "{order} {backwards}");
        }
    }

    #[derive(Debug, Clone)]
    enum Change {
        Add(u8),
        Delete(u8),
    }

    fn changes() -> impl Strategy<Value = Vec<Vec<Change>>> {
        let change = prop_oneof![any::<u8>().prop_map(Change::Add), any::<u8>().prop_map(Change::Delete)];
        proptest::collection::vec(proptest::collection::vec(change, 0..8), 0..64)
    }

    proptest! {
        #[test]
        fn nothing_that_stays_is_skipped_or_repeated_while_items_come_and_go(
            start in proptest::collection::btree_set(any::<u8>(), 0..80),
            changes in changes(),
            limit in 1usize..9,
            descending: bool,
            backwards: bool,
        ) {
            let name = |n: u8| format!("n{n:03}");
            let mut keys: BTreeSet<String> = start.iter().map(|&n| name(n)).collect();
            let mut stayed = keys.clone();
            let mut seen: Vec<String> = Vec::new();
            let order = if descending { "descending" } else { "ascending" };
            let mut iterator = match (backwards, descending) {
                (false, _) => String::new(),
                (true, false) => "-z".to_owned(),
                (true, true) => "-a".to_owned(),
            };
            let mut changes = changes.into_iter();
            loop {
                let raw = format!("limit={limit}&order={order}&iterator={iterator}");
                let mut out = read(&keys, &page(&raw).expect("a page"));
                let next = if backwards { out.prev_iterator } else { out.iterator };
                if backwards {
                    out.data.reverse();
                }
                seen.extend(out.data);
                match next {
                    Some(next) if !out.done => iterator = next,
                    _ => break,
                }
                for change in changes.next().unwrap_or_default() {
                    match change {
                        Change::Add(n) => { keys.insert(name(n)); }
                        Change::Delete(n) => { keys.remove(&name(n)); stayed.remove(&name(n)); }
                    }
                }
            }
            let unique: BTreeSet<&String> = seen.iter().collect();
            prop_assert_eq!(unique.len(), seen.len(), "repeated");
            prop_assert!(stayed.iter().all(|key| unique.contains(key)), "skipped");
        }
    }
}
