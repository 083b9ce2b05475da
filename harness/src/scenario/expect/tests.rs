use super::*;

fn echoes(loss: &str, rtt: Option<&str>) -> Expect {
    let rtt = rtt.map(|text| text.parse().expect("a limit"));
    Expect::Echoes { loss: loss.parse().expect("a limit"), rtt }
}

fn of(answered: usize, sent: u32) -> Outcome {
    Outcome::Echoes { sent, round_trips: vec![Duration::from_millis(2); answered] }
}

fn said(verdict: Result<(), Mismatch>) -> String {
    verdict.map_or_else(|mismatch| mismatch.to_string(), |()| "ok".into())
}

#[test]
fn loss_is_compared_exactly() {
    assert_eq!(said(echoes("0%", None).judge(&of(2, 2))), "ok");
    assert_eq!(said(echoes("100%", None).judge(&of(0, 2))), "ok");
    assert_eq!(
        said(echoes("<=33.333%", None).judge(&of(2, 3))),
        "expected a loss of <=33.333%, got 2 of 3 answered"
    );
    assert_eq!(said(echoes("<=33.334%", None).judge(&of(2, 3))), "ok");
    assert_eq!(said(echoes(">0%", None).judge(&of(3, 3))), "expected a loss of >0%, got 3 of 3 answered");
    assert_eq!(said(echoes("0%", None).judge(&of(0, 0))), "expected a loss of 0%, got 0 of 0 answered");
}

#[test]
fn round_trips_are_judged_by_their_median() {
    assert_eq!(said(echoes("0%", Some("<5ms")).judge(&of(2, 2))), "ok");
    let slow = echoes("0%", Some(">=5ms")).judge(&of(2, 2));
    assert_eq!(said(slow), "expected a median round trip of >=5ms, got 2ms");
    assert_eq!(
        said(echoes("100%", Some("<5ms")).judge(&of(0, 2))),
        "expected a median round trip of <5ms, got no answer"
    );
}

#[test]
fn a_command_is_judged_by_status_then_output() {
    let exit = |status, stdout: &str, stderr: &str| Outcome::Exit {
        status,
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let expect = Expect::Exit { status: 0, stdout: vec![Text::Contains("up".into())], stderr: vec![] };
    assert_eq!(said(expect.judge(&exit(0, "is up\n", ""))), "ok");
    assert_eq!(
        said(expect.judge(&exit(1, "", "no route\n"))),
        "expected status 0, got status 1, saying \"no route\""
    );
    let down = said(expect.judge(&exit(0, "is down\n", "")));
    assert_eq!(down, "expected stdout to be something that contains \"up\", got \"is down\"");
}

#[test]
fn answers_keys_and_refusals_are_judged() {
    let answer = |came| Expect::Answer { came, reply: vec![] };
    assert_eq!(said(answer(true).judge(&Outcome::Answer(Ok("hi".into())))), "ok");
    assert_eq!(
        said(answer(true).judge(&Outcome::Answer(Err("timed out".into())))),
        "expected an answer, got timed out"
    );
    assert_eq!(said(answer(false).judge(&Outcome::Answer(Err("refused".into())))), "ok");
    assert_eq!(
        said(answer(false).judge(&Outcome::Answer(Ok(String::new())))),
        "expected no connection, got one"
    );
    let keys = Expect::Keys { present: vec!["a/*".into()], absent: vec!["b*".into()] };
    assert_eq!(said(keys.judge(&Outcome::Keys(vec!["a/1".into()]))), "ok");
    assert_eq!(said(keys.judge(&Outcome::Keys(vec![]))), "expected a key a/*, got \"\"");
    assert_eq!(
        said(keys.judge(&Outcome::Keys(vec!["a/".into(), "bb".into()]))),
        "expected no key b*, got the key bb"
    );
    let found = |records: &[&str]| Outcome::Found(Ok(records.iter().map(ToString::to_string).collect()));
    let records =
        |records: &[&str]| Expect::Found { records: Some(records.iter().map(ToString::to_string).collect()) };
    assert_eq!(said(records(&["1", "2"]).judge(&found(&["2", "1"]))), "ok");
    assert_eq!(said(records(&["1", "2"]).judge(&found(&["1"]))), "expected 1, 2, got 1");
    assert_eq!(said(records(&[]).judge(&found(&[]))), "ok");
    let any = Expect::Found { records: None };
    assert_eq!(said(any.judge(&found(&[]))), "expected an answer, got nothing of this type");
    let missing = Outcome::Found(Err("NXDOMAIN".into()));
    assert_eq!(said(any.judge(&missing)), "expected an answer, got NXDOMAIN");
    let refused = |error: &str| Expect::Refused { error: vec![Text::Equals(error.into())] };
    assert_eq!(said(refused("NXDOMAIN").judge(&missing)), "ok");
    assert_eq!(said(refused("NXDOMAIN").judge(&found(&["1"]))), "expected an error, got 1");
    let value = Expect::Value { exists: false, value: vec![] };
    assert_eq!(
        said(value.judge(&Outcome::Value(Some("1".into())))),
        "expected no such key, got the value \"1\""
    );
    let refused = Expect::Refused { error: vec![Text::Contains("exists".into())] };
    assert_eq!(said(refused.judge(&Outcome::Request(Err("it exists".into())))), "ok");
    assert_eq!(said(refused.judge(&Outcome::Request(Ok(String::new())))), "expected an error, got success");
}
