//! Outcomes, judged.

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
fn requests_are_counted_and_what_is_forgotten_may_have_been_some() {
    let count = |text: &str| Expect::Requests { count: text.parse().expect("a limit") };
    let of = |number: usize, forgotten| Outcome::Requests {
        found: (0..number).map(|number| format!("r{number}")).collect(),
        forgotten,
    };
    assert_eq!(said(count("0").judge(&of(0, false))), "ok");
    assert_eq!(
        said(count("0").judge(&of(4, false))),
        "expected 0 such requests, got 4, at last \"r1\\nr2\\nr3\""
    );
    assert_eq!(said(count(">=1").judge(&of(1, true))), "ok");
    assert_eq!(
        said(count("0").judge(&of(0, true))),
        "expected 0 such requests, got 0, and the trace has forgotten older ones"
    );
}

#[test]
fn changes_are_those_that_were_expected_and_no_others() {
    let globs = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expect =
        |all: &[&str], besides: &[&str]| Expect::Changes { all: globs(all), besides: globs(besides) };
    let came = |lines: &[&str]| Outcome::Changes(globs(lines));
    let two = came(&["C0: + link eth2 up", "docker0: ~ link br0: address a -> b"]);
    assert_eq!(said(expect(&["C0: + link *"], &["*: ~ link br0: address *"]).judge(&two)), "ok");
    assert_eq!(said(expect(&["C0: + link *", "docker0: *"], &[]).judge(&two)), "ok");
    assert_eq!(
        said(expect(&["C0: + link *"], &[]).judge(&two)),
        "expected nothing else to change, got \"docker0: ~ link br0: address a -> b\""
    );
    assert_eq!(
        said(expect(&["C0: - link *"], &["*"]).judge(&came(&[]))),
        "expected a change \"C0: - link *\", got no change"
    );
    assert_eq!(said(expect(&[], &[]).judge(&came(&[]))), "ok");
    assert_eq!(
        said(expect(&[], &[]).judge(&came(&["C0: - address"]))),
        "expected nothing to change, got \"C0: - address\""
    );
}

#[test]
fn traffic_is_judged_by_rate_then_shares() {
    let came = Came { rate: Speed(94_340_000), sent: 1000, lost: 100, duplicates: 1, ..Came::default() };
    let nothing = Came { sent: 1000, lost: 1000, ..Came::default() };
    let refused = Came { why: Some("there is no way".into()), ..Came::default() };
    let judge = |rate: Option<&str>, loss: Option<&str>, came: &Came| {
        let (rate, loss) = (
            rate.map(|text| text.parse().expect("a limit")),
            loss.map(|text| text.parse().expect("a limit")),
        );
        said(
            Expect::Traffic { rate, loss, duplicates: None, reordered: None }
                .judge(&Outcome::Traffic(came.clone())),
        )
    };
    assert_eq!(judge(None, None, &came), "ok");
    assert_eq!(judge(Some(">=90mbit"), Some("10%"), &came), "ok");
    assert_eq!(judge(Some(">=100mbit"), None, &came), "expected a rate of >=100mbit, got 94.3mbit");
    assert_eq!(judge(None, Some("<5%"), &came), "expected a loss of <5%, got 100 of 1000 lost");
    assert_eq!(judge(None, None, &nothing), "expected something to arrive, got nothing");
    assert_eq!(judge(None, Some("100%"), &nothing), "ok");
    assert_eq!(judge(None, None, &refused), "expected something to arrive, got nothing: there is no way");
    assert_eq!(judge(Some("<1kbit"), None, &refused), "ok");
    assert_eq!(judge(Some(">1kbit"), None, &refused), "expected a rate of >1kbit, got 0bit: there is no way");
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
