//! How applications do: a chart, the same as a table, and who waits.

use super::form::{mono, plain, table};
use super::{breaker, time};
use crate::data::{flag, int, items, link, text};
use maud::{Markup, html};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_core::time::{parse_rfc3339, rfc3339};

/// The periods that are offered: hours, word, and how many hours are one point of the chart.
const PERIODS: [(i64, &str, i64); 3] = [(24, "24 hours", 1), (168, "7 days", 6), (672, "28 days", 24)];
/// How many endpoints that wait are named.
const WAITING: usize = 10;

/// The period of a request.
pub(crate) fn period(asked: Option<&str>) -> i64 {
    let asked = asked.and_then(|hours| hours.parse().ok());
    PERIODS.iter().map(|(hours, ..)| *hours).find(|hours| Some(*hours) == asked).unwrap_or(24)
}

#[derive(Default, Clone, Copy)]
struct Point {
    success: i64,
    fail: i64,
    took: i64,
    longest: i64,
}

/// The chart of these overviews, links to other periods, and the numbers as a table.
pub(crate) fn chart(here: &str, hours: i64, overviews: &[&Value]) -> Markup {
    let step = PERIODS
        .iter()
        .find(|(known, ..)| *known == hours)
        .map_or(1, |(.., step)| *step)
        .saturating_mul(3_600_000);
    let mut points: BTreeMap<i64, Point> = BTreeMap::new();
    let until = overviews.iter().filter_map(|of| parse_rfc3339(text(of, "until"))).max().unwrap_or(0);
    // Hours without an attempt are there, too: the line goes down to them.
    let mut at = until.saturating_sub(hours.saturating_mul(3_600_000));
    while at <= until {
        points.insert(at.div_euclid(step), Point::default());
        at = at.saturating_add(step);
    }
    for hour in overviews.iter().flat_map(|of| items(of, "hours")) {
        let Some(at) = parse_rfc3339(text(hour, "at")) else { continue };
        let point = points.entry(at.div_euclid(step)).or_default();
        let (success, fail) = (int(hour, "success"), int(hour, "fail"));
        point.success = point.success.saturating_add(success);
        point.fail = point.fail.saturating_add(fail);
        point.took =
            point.took.saturating_add(int(hour, "meanMs").saturating_mul(success.saturating_add(fail)));
        point.longest = point.longest.max(int(hour, "longestMs"));
    }
    let mean = |point: &Point| point.took.checked_div(point.success.saturating_add(point.fail));
    let column = |of: &dyn Fn(&Point) -> Value| points.values().map(of).collect::<Vec<_>>();
    let times: Vec<i64> = points.keys().map(|at| at.saturating_mul(step).div_euclid(1_000)).collect();
    let data = json!([
        times,
        column(&|point| json!(point.success)),
        column(&|point| json!(point.fail)),
        column(&|point| json!(mean(point))),
    ]);
    let used: Vec<_> =
        points.iter().filter(|(_, point)| point.success.saturating_add(point.fail) > 0).collect();
    let rows: Vec<_> = used
        .iter()
        .map(|(at, point)| {
            let numbers = [point.success, point.fail, mean(point).unwrap_or(0), point.longest];
            let cells = numbers.iter().map(|number| plain(&number.to_string()));
            std::iter::once(time(&rfc3339(at.saturating_mul(step)))).chain(cells).collect()
        })
        .collect();
    html! {
        div.charts {
        nav.tabs aria-label="Period" {
            @for (period, word, _) in PERIODS {
                a href={ (here) "?hours=" (period) } aria-current=[(period == hours).then_some("page")] { (word) }
            }
        }
        @if used.is_empty() { p.dim { "No attempt in this time." } } @else {
            div.chart role="img" aria-label="Attempts that succeeded and failed, and how long they took; the numbers are in the table below" data-chart=(data) {}
            details { summary { "As a table" }
                (table(&["From", "Delivered", "Failed", "Mean, ms", "Longest, ms"], &rows, ""))
            }
        }
        }
    }
}

/// The endpoints that have something waiting, whoever waits longest first.
pub(crate) fn waiting(of: &[(&str, &Value)]) -> Markup {
    let mut waiting: Vec<(&str, &Value)> = of
        .iter()
        .flat_map(|(app, overview)| items(overview, "endpoints").iter().map(|endpoint| (*app, endpoint)))
        .filter(|(_, endpoint)| !text(endpoint, "oldestPending").is_empty())
        .collect();
    waiting.sort_by_key(|(_, endpoint)| text(endpoint, "oldestPending").to_owned());
    let rows: Vec<_> = waiting
        .iter()
        .take(WAITING)
        .map(|(app, endpoint)| {
            vec![
                html! { a href=(link(&["app", app, "endpoint", text(endpoint, "id")])) { (text(endpoint, "url")) } },
                if flag(endpoint, "disabled") { plain("disabled") } else { breaker(endpoint) },
                plain(&int(endpoint, "pending").to_string()),
                plain(&int(endpoint, "sending").to_string()),
                time(text(endpoint, "oldestPending")),
            ]
        })
        .collect();
    html! {
        h2 { "What waits" }
        (table(&["Endpoint", "", "Pending", "Waiting for a retry", "Oldest"], &rows, "Nothing waits."))
        @if waiting.len() > WAITING { p.dim { "The " (WAITING) " that wait longest, of " (waiting.len()) "." } }
    }
}

/// What of an overview is an endpoint's.
pub(super) fn of_endpoint<'a>(overview: &'a Value, id: &str) -> Option<&'a Value> {
    items(overview, "endpoints").iter().find(|endpoint| text(endpoint, "id") == id)
}

/// An application's numbers, for a table.
pub(super) fn numbers(overview: Option<&Value>) -> Vec<Markup> {
    let Some(overview) = overview else { return vec![plain(""), plain(""), plain("")] };
    let sum = |name: &str| {
        let all = items(overview, "endpoints").iter().map(|endpoint| int(endpoint, name));
        all.fold(0i64, i64::saturating_add).to_string()
    };
    vec![mono(&sum("success")), mono(&sum("fail")), mono(&sum("pending"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_several_applications_are_one_line_and_hours_without_attempts_are_zero() {
        let overview = |success: i64, mean: i64| {
            let hour = json!({ "at": "2026-11-22T03:00:00Z", "success": success, "fail": 0, "meanMs": mean, "longestMs": mean });
            json!({ "until": "2026-11-22T05:30:00Z", "hours": [hour], "endpoints": [] })
        };
        let (one, two) = (overview(1, 100), overview(3, 20));
        let page = chart("/x", 24, &[&one, &two]).into_string();
        assert!(page.contains("/x?hours=672"), "{page}");
        let data = page.split("data-chart=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        let columns = data.as_array().unwrap();
        assert!(columns.iter().all(|column| column.as_array().unwrap().len() == 25), "{data}");
        let sum = |at: usize| columns[at].as_array().unwrap().iter().filter_map(Value::as_i64).sum::<i64>();
        assert_eq!((sum(1), sum(2), sum(3)), (4, 0, 40), "the mean is of all four");
        assert!(chart("/x", 24, &[]).into_string().contains("No attempt"));
    }

    #[test]
    fn a_period_is_one_of_those_that_are_offered() {
        assert_eq!(
            [period(Some("168")), period(Some("5")), period(Some("x")), period(None)],
            [168, 24, 24, 24]
        );
    }
}
