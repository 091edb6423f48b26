//! What is kept of the headers of a request and of its answer.

use super::*;
use crate::frame::AttemptRow;
use crate::frame::{AttemptsAsk, ExpungeAsk};
use crate::query::Query;
use crate::send_as::SendAs;

impl Sut {
    fn record_with(&mut self, attempts: Vec<Attempt>, code: u16, headers: &str) {
        let outcome = AttemptOutcome::Answer { code, retry_after: None, body: b"ok".to_vec() };
        let results =
            attempts.into_iter().map(|one| one.ended(self.now, outcome.clone()).with_headers(headers));
        let results = results.collect();
        self.endpoint.record(self.now, &mut self.rng, results).unwrap();
    }

    /// Every attempt, as who asks for one alone is told.
    fn whole(&self) -> Vec<AttemptRow> {
        let list =
            AttemptsAsk { query: Query::parse("limit=50"), msg_id: None, attempt_id: None, bytes: None };
        let listed = self.endpoint.attempts(self.now, &list).unwrap().rows;
        assert!(listed.iter().all(|row| row.headers.is_none()), "lists stay small");
        let one = |row: &AttemptRow| {
            let ask = AttemptsAsk {
                query: Query::default(),
                msg_id: None,
                attempt_id: Some(row.id.clone()),
                bytes: None,
            };
            self.endpoint.attempts(self.now, &ask).unwrap().rows.remove(0)
        };
        listed.iter().map(one).collect()
    }
}

#[test]
fn an_attempt_tells_what_was_sent_and_what_came_back_however_it_was_recorded() {
    for (count, code) in [(1, 200), (3, 200), (1, 500)] {
        let mut sut = Sut::new();
        let messages = sut.messages(count);
        let (_, effects) = sut.push(&messages);
        let signatures: Vec<String> = effects.send.iter().map(|one| one.header("svix-signature")).collect();
        sut.record_with(effects.send, code, "content-type:text/plain\nset-cookie:a=b");
        let rows = sut.whole();
        assert_eq!(rows.len(), count);
        for row in rows {
            let [sent, answered]: [serde_json::Value; 2] =
                serde_json::from_str(&row.headers.unwrap()).unwrap();
            assert_eq!(answered, serde_json::json!({ "content-type": "text/plain", "set-cookie": HIDDEN }));
            assert_eq!((&sent["x-own"], &sent["svix-id"]), (&HIDDEN.into(), &row.msg_id.into()));
            assert!(signatures.iter().any(|one| sent["svix-signature"] == one.as_str()), "{sent}");
        }
    }
}

#[test]
fn an_attempt_without_an_answer_tells_what_was_sent() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    let result = attempt.ended(sut.now, AttemptOutcome::Failed(Failure::Timeout));
    sut.endpoint.record(sut.now, &mut sut.rng, vec![result]).unwrap();
    assert!(sut.whole().remove(0).headers.unwrap().ends_with(",{}]"));
}

#[test]
fn a_secret_that_is_sent_as_it_is_is_not_on_record() {
    let send_as = SendAs { preset: "gitlab-token".into(), ..SendAs::default() };
    let secrets = vec![SecretFrame { sealed: "plain:a token of gitlab".into(), expires_at: None }];
    let mut sut = Sut::with(Config { send_as: Some(send_as), secrets, ..config(1) });
    let attempt = sut.sent();
    assert!(attempt.headers.iter().any(|(_, value)| value == "a token of gitlab"), "{:?}", attempt.headers);
    sut.record_with(vec![attempt], 200, "");
    let kept = sut.whole().remove(0).headers.unwrap();
    assert!(kept.contains("x-gitlab-token") && !kept.contains("a token of gitlab"), "{kept}");
}

#[test]
fn what_is_expunged_takes_its_headers_along() {
    let mut sut = Sut::new();
    let attempt = sut.sent();
    sut.record_with(vec![attempt], 200, "x-name:somebody");
    let row = sut.whole().remove(0);
    let ask = ExpungeAsk { msg_id: row.msg_id, attempt_id: row.id };
    assert!(sut.endpoint.expunge(&ask).unwrap().done);
    assert_eq!(sut.whole().remove(0).headers, None);
}

impl Attempt {
    fn header(&self, name: &str) -> String {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap()
    }
}
