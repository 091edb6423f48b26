//! Charts: stacked bars by outcome, histograms and sparklines. They are inline SVG without scripts or styles of their own, and
//! each has a table or a description for screen readers.

use super::parts::{grouped, millis};
use super::parts::{table, time};
use crate::data::{int, items, text};
use crate::scope::t;
use maud::{Markup, PreEscaped, html};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use weir_core::spread::{EDGES_MS, Spread};
use weir_core::time::{parse_rfc3339, rfc3339};

/// The periods to choose from: hours, name, and hours per bar.
const PERIODS: [(i64, &str, i64); 3] = [(24, "24 hours", 1), (168, "7 days", 6), (672, "28 days", 24)];
const HOUR_MS: i64 = 3_600_000;

/// The period of a request.
pub(crate) fn period(asked: Option<&str>) -> i64 {
    let asked = asked.and_then(|hours| hours.parse().ok());
    PERIODS.iter().map(|(hours, ..)| *hours).find(|hours| Some(*hours) == asked).unwrap_or(24)
}

/// The name of a period.
pub(crate) fn word(hours: i64) -> &'static str {
    PERIODS.iter().find(|(known, ..)| *known == hours).map_or("24 hours", |(_, word, _)| word)
}

/// Whether a period is compared with the one before it. Statistics are kept for 28 days only.
pub(crate) fn is_compared(hours: i64) -> bool {
    hours <= 168
}

/// Links to the periods.
pub(crate) fn periods(here: &str, hours: i64) -> Markup {
    html! {
        nav.seg aria-label=(t("Period")) {
            @for (period, word, _) in PERIODS {
                a href={ (here) "?hours=" (period) } aria-current=[(period == hours).then_some("true")] { (t(word)) }
            }
        }
    }
}

/// The attempts of one bar.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) success: i64,
    pub(crate) fail: i64,
    pub(crate) filtered: i64,
    pub(crate) took: i64,
    pub(crate) longest: i64,
}

impl Point {
    fn add(&mut self, hour: &Value) {
        let (success, fail) = (int(hour, "success"), int(hour, "fail"));
        self.success = self.success.saturating_add(success);
        self.fail = self.fail.saturating_add(fail);
        self.filtered = self.filtered.saturating_add(int(hour, "canceled"));
        let took = int(hour, "meanMs").saturating_mul(success.saturating_add(fail));
        self.took = self.took.saturating_add(took);
        self.longest = self.longest.max(int(hour, "longestMs"));
    }

    /// The number of attempts.
    pub(crate) fn attempts(&self) -> i64 {
        self.success.saturating_add(self.fail)
    }

    /// The mean duration of an attempt.
    pub(crate) fn mean(&self) -> Option<i64> {
        self.took.checked_div(self.attempts())
    }

    fn all(&self) -> i64 {
        self.attempts().saturating_add(self.filtered)
    }
}

/// The attempts of a period over time.
pub(crate) struct Series {
    /// The start of each bar in milliseconds, and its attempts. Hours without attempts are included.
    points: Vec<(i64, Point)>,
    hours: i64,
    /// The distribution of durations and status codes.
    spread: Spread,
    /// The period before, if all overviews have it: delivered and failed attempts.
    previous: Option<Point>,
}

/// The period before, as overviews have it. `None` if one of them does not.
fn previous_of(overviews: &[&Value]) -> Option<Point> {
    let mut all = Point::default();
    for overview in overviews.iter().filter(|overview| overview.is_object()) {
        let before = overview.get("previous").filter(|before| before.is_object())?;
        all.success = all.success.saturating_add(int(before, "success"));
        all.fail = all.fail.saturating_add(int(before, "fail"));
    }
    Some(all)
}

impl Series {
    /// Adds up several overviews.
    pub(crate) fn of(hours: i64, overviews: &[&Value]) -> Self {
        let step = PERIODS.iter().find(|(known, ..)| *known == hours).map_or(1, |(.., step)| *step);
        let step = step.saturating_mul(HOUR_MS);
        let mut points: BTreeMap<i64, Point> = BTreeMap::new();
        let until = overviews.iter().filter_map(|of| parse_rfc3339(text(of, "until"))).max().unwrap_or(0);
        let mut at = until.saturating_sub(hours.saturating_mul(HOUR_MS));
        while until > 0 && at <= until {
            points.insert(at.div_euclid(step), Point::default());
            at = at.saturating_add(step);
        }
        for hour in overviews.iter().flat_map(|of| items(of, "hours")) {
            let Some(at) = parse_rfc3339(text(hour, "at")) else { continue };
            points.entry(at.div_euclid(step)).or_default().add(hour);
        }
        let mut spread = Spread::default();
        for of in overviews {
            spread.add(&spread_of(of));
        }
        Self {
            spread,
            previous: previous_of(overviews).filter(|_| !overviews.is_empty()),
            points: points.into_iter().map(|(at, point)| (at.saturating_mul(step), point)).collect(),
            hours,
        }
    }

    /// The totals of the period.
    pub(crate) fn sum(&self) -> Point {
        let mut all = Point::default();
        for (_, point) in &self.points {
            all.success = all.success.saturating_add(point.success);
            all.fail = all.fail.saturating_add(point.fail);
            all.filtered = all.filtered.saturating_add(point.filtered);
            all.took = all.took.saturating_add(point.took);
            all.longest = all.longest.max(point.longest);
        }
        all
    }

    /// The change of delivered messages against the previous period, in percent.
    pub(crate) fn delivered_change(&self) -> Option<i64> {
        let before = self.previous?.success;
        let more = self.sum().success.saturating_sub(before).saturating_mul(100);
        more.checked_div(before)
    }

    /// The change of the success rate against the previous period, in tenths of a percentage point.
    pub(crate) fn success_change(&self) -> Option<i64> {
        let share = |of: &Point| of.success.saturating_mul(1_000).checked_div(of.attempts());
        Some(share(&self.sum())?.saturating_sub(share(&self.previous?)?))
    }

    /// The median and the 95th percentile of the durations.
    pub(crate) fn percentiles(&self) -> Option<(i64, i64)> {
        let longest = self.sum().longest;
        Some((self.spread.percentile(50, longest)?, self.spread.percentile(95, longest)?))
    }

    /// The histogram of durations.
    pub(crate) fn latency(&self) -> Markup {
        let bars: Vec<(String, i64, &str)> = (0..=EDGES_MS.len())
            .map(|at| (edge(at), self.spread.took.get(at).copied().unwrap_or(0), "acc"))
            .collect();
        let first = bars.iter().position(|(_, count, _)| *count > 0).unwrap_or(0);
        let last = bars.iter().rposition(|(_, count, _)| *count > 0).unwrap_or(0);
        let shown = bars.get(first..=last).unwrap_or_default();
        let said = match self.percentiles() {
            Some((half, most)) => format!("p50 {}, p95 {}", millis(half), millis(most)),
            None => t("no attempts").text(),
        };
        histogram(shown, |_| None, &said)
    }

    /// The histogram of status codes. `to` makes the link to the attempts with a code.
    pub(crate) fn codes(&self, to: impl Fn(u16) -> String) -> Markup {
        let class = |code: u16| match code {
            200..=299 => "ok",
            429 => "warn",
            _ => "bad",
        };
        let word = |code: u16| if code == 0 { t("no response").text() } else { code.to_string() };
        let bars: Vec<(String, i64, &str)> =
            self.spread.codes.iter().map(|(code, count)| (word(*code), *count, class(*code))).collect();
        let said = bars.iter().map(|(word, count, _)| format!("{word}: {}", grouped(*count)));
        let said = said.collect::<Vec<_>>().join(", ");
        let codes: Vec<u16> = self.spread.codes.iter().map(|(code, _)| *code).collect();
        histogram(&bars, |at| codes.get(at).map(|code| to(*code)), &said)
    }

    /// A sparkline of one value; `bad` if an increase is bad.
    pub(crate) fn line(&self, bad: bool, of: impl Fn(&Point) -> i64) -> Markup {
        let values: Vec<i64> = self.points.iter().map(|(_, point)| of(point)).collect();
        let most = values.iter().copied().max().unwrap_or(0);
        if most == 0 || values.len() < 2 {
            return html! {};
        }
        let last = i64::try_from(values.len()).unwrap_or(i64::MAX).saturating_sub(1);
        let mut path = String::new();
        for (at, value) in (0i64..).zip(values) {
            let x = at.saturating_mul(72).checked_div(last).unwrap_or(0);
            let y = 26i64.saturating_sub(value.saturating_mul(24).checked_div(most).unwrap_or(0));
            let _ = write!(path, "{}{x} {y}", if at == 0 { 'M' } else { 'L' });
        }
        html! { svg.spark.neg[bad] viewBox="0 0 72 28" preserveAspectRatio="none" aria-hidden="true" { path d=(path) {} } }
    }

    /// The bar chart, with tooltips, and the same data as a table.
    pub(crate) fn bars(&self) -> Markup {
        let peak = self.points.iter().map(|(_, point)| point.all()).max().unwrap_or(0);
        let top = ceiling(peak);
        let sum = self.sum();
        let count = self.points.len();
        let numbers = [("delivered", sum.success), ("failed", sum.fail), ("filtered", sum.filtered)];
        let numbers =
            numbers.map(|(word, number)| format!("{} {}", grouped(number), t(word).text())).join(", ");
        let most = t("at most {} per bar").text().replace("{}", &grouped(peak));
        let said = format!("{}: {numbers}; {most}", t(word(self.hours)).text());
        let first = self.points.first().map_or(0, |(at, _)| *at);
        let middle = self.points.get(count / 2).map_or(0, |(at, _)| *at);
        let rows: Vec<Vec<Markup>> = self
            .points
            .iter()
            .filter(|(_, point)| point.all() > 0)
            .map(|(at, point)| {
                let numbers =
                    [point.success, point.fail, point.filtered].map(|number| html! { (grouped(number)) });
                let times = [point.mean().map(millis), Some(millis(point.longest))]
                    .map(|time| html! { (time.unwrap_or_default()) });
                std::iter::once(time(&rfc3339(*at))).chain(numbers).chain(times).collect()
            })
            .collect();
        html! {
            svg.ch.plot height="204" role="img" aria-label=(said) {
                @for (nth, y) in [(0i64, 178i64), (1, 93), (2, 8)] {
                    line.g x1="0" x2="100%" y1=(y) y2=(y) {}
                    text x="-6" y=(y.saturating_add(4)) text-anchor="end" { (short(top.saturating_mul(nth).div_euclid(2))) }
                }
                svg y="8" width="100%" height="170" viewBox={ "0 0 " (count) " 100" } preserveAspectRatio="none" {
                    (self.layers(top))
                    @for (nth, (at, point)) in self.points.iter().enumerate().filter(|(_, (_, point))| point.all() > 0) {
                        rect.hit x=(nth) width="1" height="100" { title { (rfc3339(*at).get(..16).unwrap_or_default().replace('T', " ")) " UTC\n" (t("Delivered")) " " (grouped(point.success)) "\n" (t("Failed")) " " (grouped(point.fail)) "\n" (t("Filtered")) " " (grouped(point.filtered)) } }
                    }
                }
                @for (x, anchor, at) in [("0%", "start", first), ("50%", "middle", middle)] {
                    text x=(x) y="198" text-anchor=(anchor) data-clock=(rfc3339(at)) { (self.label(at)) }
                }
                text x="100%" y="198" text-anchor="end" { (t("now")) }
            }
            details.astable { summary { (t("As a table")) }
                (table(&["From", "#Delivered", "#Failed", "#Filtered", "#Mean", "#Longest"], &rows))
            }
        }
    }

    fn label(&self, at: i64) -> String {
        let text = rfc3339(at);
        let part = if self.hours <= 24 { text.get(11..16) } else { text.get(5..10) };
        part.unwrap_or_default().to_owned()
    }

    /// Delivered at the bottom, then filtered, failed on top. The last bar is incomplete, so it is paler.
    fn layers(&self, top: i64) -> Markup {
        let mut out = String::new();
        let last = self.points.len().saturating_sub(1);
        let tenths = |value: i64| value.saturating_mul(1_000).checked_div(top).unwrap_or(0);
        for (class, below, own) in [
            ("f-ok", (|_| 0) as fn(&Point) -> i64, (|p| p.success) as fn(&Point) -> i64),
            ("f-alt", |p| p.success, |p| p.filtered),
            ("f-bad", |p| p.success.saturating_add(p.filtered), |p| p.fail),
        ] {
            for running in [false, true] {
                let mut path = String::new();
                for (nth, (_, point)) in self.points.iter().enumerate() {
                    if own(point) == 0 || (nth == last) != running {
                        continue;
                    }
                    // A small value stays visible.
                    let height = tenths(own(point)).max(8);
                    let y = 1_000i64.saturating_sub(tenths(below(point))).saturating_sub(height).max(0);
                    let (y, height) = (Tenths(y), Tenths(height));
                    let _ = write!(path, "M{nth}.12 {y}h.76v{height}h-.76z");
                }
                if !path.is_empty() {
                    let part = if running { " part" } else { "" };
                    let _ = write!(out, "<path class=\"{class}{part}\" d=\"{path}\"/>");
                }
            }
        }
        PreEscaped(out)
    }
}

/// The distribution of durations and status codes in an overview.
fn spread_of(overview: &Value) -> Spread {
    let mut spread = Spread::default();
    for bucket in overview.pointer("/latency/buckets").and_then(Value::as_array).into_iter().flatten() {
        let edge = bucket.get("upToMs").and_then(Value::as_i64);
        let at = edge.map_or(Some(EDGES_MS.len()), |edge| EDGES_MS.iter().position(|known| *known == edge));
        let mut took = vec![0; at.unwrap_or(0)];
        took.push(int(bucket, "count"));
        spread.add(&Spread { took, codes: Vec::new() });
    }
    for code in items(overview, "codes") {
        let number = u16::try_from(int(code, "code")).unwrap_or(0);
        spread.add(&Spread { took: Vec::new(), codes: vec![(number, int(code, "count"))] });
    }
    spread
}

/// The label of a bucket.
fn edge(at: usize) -> String {
    let short = |ms: i64| if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", millis_in_s(ms)) };
    match (EDGES_MS.get(at), EDGES_MS.last()) {
        (Some(ms), _) => format!("≤ {}", short(*ms)),
        (None, Some(last)) => format!("> {}", short(*last)),
        _ => String::new(),
    }
}

fn millis_in_s(ms: i64) -> String {
    let tenths = ms.div_euclid(100);
    let rest = tenths.rem_euclid(10);
    if rest == 0 { tenths.div_euclid(10).to_string() } else { format!("{}.{rest}", tenths.div_euclid(10)) }
}

/// A horizontal bar chart as a list: label, bar, number.
fn histogram(bars: &[(String, i64, &str)], to: impl Fn(usize) -> Option<String>, said: &str) -> Markup {
    let most = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let width =
        |count: i64| count.saturating_mul(100).checked_div(most).unwrap_or(0).max(i64::from(count > 0));
    html! {
        @if most == 0 { p.says { (t("no attempts")) } } @else {
            ul.hb aria-label=(said) { @for (at, (word, count, class)) in bars.iter().enumerate() {
                li {
                    @match to(at) { Some(to) => a.nw href=(to) { (word) }, None => span.nw { (word) } }
                    @if *count == 0 { span {} } @else { svg.ch height="10" width="100%" aria-hidden="true" { rect class={ "f-" (class) } width={ (width(*count)) "%" } height="10" rx="2" {} } }
                    span.num { (grouped(*count)) }
                }
            } }
        }
    }
}

/// Tenths as a decimal number.
struct Tenths(i64);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0.div_euclid(10), self.0.rem_euclid(10))
    }
}

/// The legend of the bars.
pub(crate) fn legend(sum: &Point) -> Markup {
    html! {
        div.legend {
            span { i.sw.ok {} (t("Delivered")) " " b { (grouped(sum.success)) } }
            @if sum.filtered > 0 { span { i.sw.alt {} (t("Filtered")) " " b { (grouped(sum.filtered)) } } }
            span { i.sw.bad {} (t("Failed attempts")) " " b { (grouped(sum.fail)) } }
        }
    }
}

/// The next round number.
fn ceiling(number: i64) -> i64 {
    let mut step = 1i64;
    loop {
        for factor in [2, 4, 10] {
            let top = step.saturating_mul(factor);
            if top >= number {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// The label of a number on an axis.
fn short(number: i64) -> String {
    match number {
        ..10_000 => grouped(number),
        10_000..10_000_000 => format!("{}k", number.div_euclid(1_000)),
        _ => format!("{}M", number.div_euclid(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hours_of_several_applications_are_one_series_and_hours_without_attempts_are_there() {
        let overview = |success: i64, mean: i64| {
            let hour = json!({ "at": "2026-11-22T03:00:00Z", "success": success, "fail": 1, "canceled": 2, "meanMs": mean, "longestMs": mean });
            json!({ "until": "2026-11-22T05:30:00Z", "hours": [hour], "endpoints": [] })
        };
        let (one, two) = (overview(1, 100), overview(3, 20));
        let series = Series::of(24, &[&one, &two]);
        assert_eq!(series.points.len(), 25);
        let sum = series.sum();
        assert_eq!(
            (sum.success, sum.fail, sum.filtered, sum.mean()),
            (4, 2, 4, Some(46)),
            "the mean is of all six"
        );
        let page = series.bars().into_string();
        for shown in ["f-ok", "f-bad", "f-alt", "4 delivered, 2 failed, 4 filtered", "As a table"] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains("style="), "{page}");
        assert!(series.line(false, |point| point.success).into_string().contains("<path"));
        assert_eq!(Series::of(24, &[]).sum(), Point::default());
    }

    #[test]
    fn times_and_codes_of_several_overviews_are_added_up_and_a_code_leads_to_its_list() {
        let overview = json!({ "hours": [{ "at": "2026-11-22T03:00:00Z", "success": 3, "fail": 1, "longestMs": 900 }], "until": "2026-11-22T05:30:00Z",
            "latency": { "buckets": [{ "upToMs": 10, "count": 0 }, { "upToMs": 25, "count": 3 }, { "upToMs": null, "count": 1 }] },
            "codes": [{ "code": 200, "count": 3 }, { "code": 0, "count": 1 }] });
        let series = Series::of(24, &[&overview, &overview]);
        let (half, most) = series.percentiles().expect("percentiles");
        assert!((10..=25).contains(&half) && most >= half, "{half} {most}");
        let codes = series.codes(|code| format!("/list?code={code}")).into_string();
        assert!(
            codes.contains("href=\"/list?code=200\"") && codes.contains("no response: 2, 200: 6"),
            "{codes}"
        );
        let latency = series.latency().into_string();
        assert!(
            latency.contains("≤ 25 ms") && latency.contains("&gt; 30 s") && !latency.contains("≤ 10 ms"),
            "{latency}"
        );
        assert!(Series::of(24, &[]).latency().into_string().contains("no attempts"));
    }

    #[test]
    fn a_period_is_compared_with_the_one_before_if_every_overview_has_it() {
        let hour = json!({ "at": "2026-11-22T03:00:00Z", "success": 150, "fail": 50 });
        let with = json!({ "until": "2026-11-22T05:30:00Z", "hours": [hour], "previous": { "success": 100, "fail": 0 } });
        let without = json!({ "until": "2026-11-22T05:30:00Z", "hours": [] });
        let series = Series::of(24, &[&with]);
        assert_eq!((series.delivered_change(), series.success_change()), (Some(50), Some(-250)));
        assert_eq!(Series::of(24, &[&with, &without]).delivered_change(), None);
        assert_eq!(Series::of(24, &[]).delivered_change(), None);
        let new = json!({ "hours": [], "previous": { "success": 0, "fail": 0 } });
        assert_eq!(Series::of(24, &[&new]).delivered_change(), None, "nothing to compare with");
    }

    #[test]
    fn a_period_is_one_of_those_that_are_offered() {
        assert_eq!(
            [period(Some("168")), period(Some("5")), period(Some("x")), period(None)],
            [168, 24, 24, 24]
        );
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0, 1, 3, 5, 17, 41, 34_960].map(ceiling), [2, 2, 4, 10, 20, 100, 40_000]);
        assert_eq!([short(500), short(40_000), short(12_000_000)], ["500", "40k", "12M"]);
    }
}
