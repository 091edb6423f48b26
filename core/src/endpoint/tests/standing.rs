//! Reports of how the endpoint stands.

use super::*;
use crate::frame::Standing;

/// What is reported of the standing, by number.
fn reported(effects: &Effects) -> Vec<(i64, Standing)> {
    let standing = |report: &Report| match report.kind {
        ReportKind::Stands { standing, .. } => Some(standing),
        _ => None,
    };
    effects.reports.iter().filter_map(|(seq, report)| Some((*seq, standing(report)?))).collect()
}

impl Sut {
    fn acknowledge(&mut self, seq: i64, acknowledged: bool) -> Effects {
        self.endpoint.reported(self.now, seq, acknowledged).unwrap()
    }
}

#[test]
fn a_report_of_trouble_is_no_row_and_is_repeated_until_it_is_acknowledged() {
    let schedule = Some(vec![1_000, 30_000, 30_000, 30_000]);
    let mut sut = Sut::with(Config { schedule_ms: schedule, ..config(1) });
    let attempt = sut.sent();
    assert_eq!(reported(&sut.answer(attempt, 500)), [], "one failure is not yet trouble");
    let attempt = sut.due_at(sut.now + 2_000).remove(0);
    let reports = reported(&sut.answer(attempt, 500));
    assert_eq!(reports.len(), 1);
    assert_eq!((reports[0].1, sut.count("SELECT count(*) FROM report")), (Standing::Failing, 0));
    assert_eq!(reported(&sut.acknowledge(reports[0].0, false)), [], "not at once");
    sut.now += 15_000;
    let again = reported(&sut.alarm());
    assert_eq!(again, reports);
    sut.acknowledge(again[0].0, true);
    // That it was acknowledged is written with the next attempt: until then, a crash repeats it.
    sut.crash();
    let again = reported(&sut.alarm());
    assert_eq!(again, reports);
    sut.acknowledge(again[0].0, true);
    let attempt = sut.due_at(sut.now + 40_000).remove(0);
    assert_eq!(reported(&sut.answer(attempt, 500)), []);
    sut.crash();
    assert_eq!(reported(&sut.alarm()), []);
}

#[test]
fn a_standing_that_changes_while_it_is_reported_is_reported_again() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![1_000; 9]), ..config(1) });
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    let attempt = sut.due_at(sut.now + 2_000).remove(0);
    let reports = reported(&sut.answer(attempt, 500));
    let attempt = sut.due_at(sut.now + 2_000).remove(0);
    assert_eq!(reported(&sut.answer(attempt, 200)), [], "one at a time");
    let next = reported(&sut.acknowledge(reports[0].0, true));
    assert_eq!(next, [(reports[0].0, Standing::Well)]);
    assert_eq!(reported(&sut.acknowledge(next[0].0, true)), []);
}

#[test]
fn an_end_of_trouble_is_reported_though_nobody_knows_whether_the_trouble_was() {
    for arrives in [true, false] {
        let mut sut = Sut::with(Config { schedule_ms: Some(vec![1_000; 9]), ..config(1) });
        let attempt = sut.sent();
        sut.answer(attempt, 500);
        let attempt = sut.due_at(sut.now + 2_000).remove(0);
        let trouble = reported(&sut.answer(attempt, 500));
        assert_eq!(trouble.len(), 1);
        let attempt = sut.due_at(sut.now + 2_000).remove(0);
        sut.answer(attempt, 200);
        if arrives {
            let well = reported(&sut.acknowledge(trouble[0].0, true));
            assert_eq!(well, [(trouble[0].0, Standing::Well)]);
        }
        sut.crash(); // before the answer
        let well = reported(&sut.alarm());
        assert_eq!(well, [(trouble[0].0, Standing::Well)], "arrives: {arrives}");
        assert_eq!(reported(&sut.acknowledge(well[0].0, true)), []);
        sut.crash();
        assert_eq!(reported(&sut.alarm()), []);
    }
}

#[test]
fn a_report_that_does_not_arrive_is_sent_again_though_messages_wake_the_endpoint() {
    let mut sut = Sut::with(Config { schedule_ms: Some(vec![1_000; 9]), ..config(1) });
    let attempt = sut.sent();
    sut.answer(attempt, 500);
    let attempt = sut.due_at(sut.now + 2_000).remove(0);
    let trouble = reported(&sut.answer(attempt, 500));
    sut.acknowledge(trouble[0].0, true);
    let attempt = sut.due_at(sut.now + 2_000).remove(0);
    let well = reported(&sut.answer(attempt, 200));
    assert_eq!(reported(&sut.acknowledge(well[0].0, false)), []);
    sut.now += 20_000;
    let (_, effects) = sut.push(&[]);
    assert_eq!(reported(&effects), well);
}
