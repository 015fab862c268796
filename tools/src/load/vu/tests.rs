use super::super::accounts::Accounts;
use super::super::scenario::Scenario;
use super::super::scenario::tests::site;
use super::*;

const OK: AnswerCheck = AnswerCheck { status: 200, is_success: true, is_refusal: false };

fn vu(scenario: Scenario) -> Vu {
    let manner = Behaviour { player: UserIdentity::own(1), steps: scenario.steps(), depth: 1, draw: None };
    Vu::new(manner, &site(), b"first", 100)
}

/// Plays a step; `sent` and `pieces` are the times of the request's and the answer's events, in their order.
fn play(vu: &mut Vu, asked: u64, sent: u64, pieces: &[(u64, &[u8])]) -> (Heard, Sample, Option<u64>) {
    let bytes = vu.ask(&Timestamp::new(0), asked);
    vu.on_sent(bytes, sent);
    let mut heard = Heard::Part;
    let mut now = asked;
    for (at, piece) in pieces {
        now = *at;
        heard = vu.on_bytes(&mut &**piece, &site(), now);
    }
    let (sample, iteration) = vu.finish_step(OK, now);
    (heard, sample, iteration)
}

#[track_caller]
fn check_phases(sent: u64, pieces: &[(u64, &[u8])], expect: [u64; 4]) {
    let mut vu = vu(Scenario::Balance);
    let (_, sample, iteration) = play(&mut vu, 110, sent, pieces);
    assert_eq!([sample.group, sample.sending, sample.waiting, sample.receiving], expect);
    assert_eq!(iteration, Some(expect[0]));
}

#[test]
fn phases() {
    let (head, body): (&[u8], &[u8]) = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}");
    check_phases(120, &[(150, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")], [50, 10, 30, 0]);
    check_phases(120, &[(150, head), (155, body)], [55, 10, 30, 5]);
    // Seen sent by the same turn as the first byte, or by a later one.
    check_phases(150, &[(150, head), (155, body)], [55, 0, 40, 5]);
    check_phases(155, &[(150, head), (155, body)], [55, 0, 40, 5]);
}

#[track_caller]
fn check_token(answer: &str, expect: &str) {
    let mut vu = vu(Scenario::Seed);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    let mut iterations = Vec::new();
    for step in 0..3 {
        let (heard, _, iteration) = play(&mut vu, 110, 120, &[(130 + step, answer.as_bytes())]);
        assert!(matches!(heard, Heard::Answer { closes: false, .. }));
        iterations.push(iteration);
    }
    assert_eq!(iterations, [None, None, Some(32)]);
    assert_eq!(vu.kind(), RequestType::Balance);
    play(&mut vu, 140, 141, &[(142, answer.as_bytes())]);
    let redeem = String::from_utf8(vu.ask(&Timestamp::new(0), 150)).expect("UTF-8");
    assert!(redeem.contains(&format!("\"SessionToken\":\"{expect}\"")), "{redeem}");
}

#[test]
fn the_token_of_the_last_answer_is_redeemed() {
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"other"}}"#, "other");
    check_token(r#"{"ErrorCode":0,"Result":{"SessionToken":"a longer one"}}"#, "a longer one");
    check_token(r#"{"ErrorCode":-5}"#, "");
}

/// Plays two iterations: each has its own count in the ids of its rounds, the same in all its steps.
#[track_caller]
fn check_iterations(scenario: Scenario, with_rounds: usize) {
    let mut vu = vu(scenario);
    for count in ["000000000000", "000000000001"] {
        let id = format!("\"GameRoundID\":\"19ab5f62c00-000001-{count}-");
        let mut found = 0;
        for _ in scenario.steps() {
            let bytes = vu.ask(&Timestamp::new(0), 110);
            let request = String::from_utf8(bytes.clone()).expect("UTF-8");
            assert_eq!(request.contains(&id), request.contains("GameRoundID"), "{request}");
            found += usize::from(request.contains(&id));
            vu.on_sent(bytes, 120);
            vu.finish_step(OK, 130);
        }
        assert_eq!(found, with_rounds);
    }
}

#[test]
fn iterations_have_rounds_of_their_own() {
    check_iterations(Scenario::Full, 11);
    check_iterations(Scenario::Bet, 1);
}

#[test]
fn what_is_no_answer() {
    let mut vu = vu(Scenario::Balance);
    let (heard, ..) = play(&mut vu, 110, 120, &[(130, b"SSH-2.0\r\n")]);
    assert_eq!(heard, Heard::Noise);
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"ErrorCode\":0}";
const REFUSAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"ErrorCode\":-5}";

fn pipelined(scenario: Scenario, depth: usize, accounts: u32) -> Vu {
    let player = UserIdentity { accounts, ..UserIdentity::own(1) };
    let draw = Draw::new(&Accounts::Spread(accounts), 1, 0);
    Vu::new(Behaviour { player, steps: scenario.steps(), depth, draw }, &site(), b"", 100)
}

/// The values of a member in the requests that were sent in one piece, in their order.
fn members(bytes: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let pieces = text.split("POST ").skip(1).map(|request| {
        let (_, body) = request.split_once("\r\n\r\n").expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON, and nothing after it");
        body[name].as_str().expect("a text").to_owned()
    });
    pieces.collect()
}

#[test]
fn answers_of_a_pipeline_are_those_of_its_requests_in_their_order() {
    let mut vu = pipelined(Scenario::Balance, 3, 1);
    let bytes = vu.ask(&Timestamp::new(0), 110);
    assert_eq!(members(&bytes, "Sequence").len(), 3);
    vu.on_sent(bytes, 120);
    // The first answer with a part of the second; then the rest of it with the third.
    let stream = [ANSWER, REFUSAL, ANSWER].concat();
    let (first, second) = stream.as_bytes().split_at(ANSWER.len() + 10);
    let mut found = Vec::new();
    for (mut piece, now_ns) in [(first, 150), (second, 170)] {
        while !piece.is_empty() {
            if let Heard::Answer { verdict, .. } = vu.on_bytes(&mut piece, &site(), now_ns) {
                let (sample, iteration) = vu.finish_step(verdict, now_ns);
                assert_eq!(iteration, Some(sample.group));
                found.push((verdict.is_success, sample.sending, sample.waiting, sample.receiving));
            }
        }
    }
    assert_eq!(found, [(true, 10, 30, 0), (false, 10, 30, 20), (true, 10, 50, 0)]);
    assert_eq!(vu.lanes().under_way(), 0);
}

#[test]
fn a_pipeline_is_filled_up_again() {
    let mut vu = pipelined(Scenario::Bet, 3, 1);
    let mut rounds = Vec::new();
    for answered in [2, 1, 3] {
        let bytes = vu.ask(&Timestamp::new(0), 110);
        rounds.extend(members(&bytes, "GameRoundID"));
        assert!(vu.lanes().is_full());
        vu.on_sent(bytes, 120);
        for _ in 0..answered {
            vu.finish_step(OK, 130);
        }
    }
    let expect: Vec<String> = (0..6).map(|count| format!("19ab5f62c00-000001-{count:012}-a")).collect();
    assert_eq!(rounds, expect, "no two requests share a round");
}

#[test]
fn each_request_of_a_pipeline_draws_its_account() {
    let mut vu = pipelined(Scenario::Bet, 64, 10_000_000);
    let bytes = vu.ask(&Timestamp::new(0), 110);
    let mut accounts = members(&bytes, "OperatorAccountID");
    let sessions = members(&bytes, "GatewaySessionToken");
    for (account, session) in accounts.iter().zip(&sessions) {
        assert_eq!(account.strip_prefix("default/player-"), session.strip_prefix("demo-"));
    }
    accounts.sort_unstable();
    accounts.dedup();
    assert_eq!(accounts.len(), 64);
}

#[track_caller]
fn check_noise(depth: usize, bytes: &str, answers: usize) {
    let mut vu = pipelined(Scenario::Balance, depth, 1);
    let request = vu.ask(&Timestamp::new(0), 110);
    vu.on_sent(request, 120);
    let (mut bytes, mut heard_answers) = (bytes.as_bytes(), 0);
    loop {
        match vu.on_bytes(&mut bytes, &site(), 130) {
            Heard::Answer { verdict, .. } => {
                vu.finish_step(verdict, 130);
            }
            heard => break assert_eq!(heard, Heard::Noise),
        }
        heard_answers += 1;
    }
    assert_eq!(heard_answers, answers);
}

#[test]
fn more_than_was_asked_for() {
    check_noise(1, &[ANSWER, ANSWER].concat(), 0);
    check_noise(1, &[ANSWER, "x"].concat(), 0);
    check_noise(2, &[ANSWER, ANSWER, ANSWER].concat(), 1);
    check_noise(2, &[ANSWER, "no answer\r\n"].concat(), 1);
}

#[test]
fn time_runs_from_the_intended_start() {
    let mut vu = pipelined(Scenario::Bet, 2, 1);
    let bytes = vu.ask_intended(&Timestamp::new(0), 150, [110, 140].into_iter());
    assert_eq!(members(&bytes, "GameRoundID").len(), 2);
    vu.on_sent(bytes, 160);
    for blocked in [40, 10] {
        vu.on_bytes(&mut ANSWER.as_bytes(), &site(), 200);
        let (sample, iteration) = vu.finish_step(OK, 200);
        assert_eq!((sample.blocked, sample.sending, sample.waiting), (blocked, 10, 40));
        assert_eq!((sample.since_sent(), sample.duration()), (50, 50 + blocked));
        assert_eq!((sample.group, iteration), (50 + blocked, Some(50 + blocked)));
    }
}

/// Loses the request of this step, and says what is asked from then on.
#[track_caller]
fn check_lost(scenario: Scenario, lost: usize, expect: &[RequestType]) {
    let mut vu = vu(scenario);
    for _ in 0..lost {
        play(&mut vu, 110, 120, &[(130, ANSWER.as_bytes())]);
    }
    let bytes = vu.ask(&Timestamp::new(0), 140);
    vu.on_sent(bytes, 150);
    vu.forget_token(&site());
    vu.break_off(AnswerCheck::default(), 160);
    let asked: Vec<_> = expect
        .iter()
        .map(|_| {
            let kind = vu.kind();
            play(&mut vu, 170, 180, &[(190, ANSWER.as_bytes())]);
            kind
        })
        .collect();
    assert_eq!(asked, expect, "{scenario:?} without its step {lost}");
}

#[test]
fn what_follows_a_request_that_was_lost() {
    use RequestType as T;
    // What depends on nothing is passed over.
    check_lost(Scenario::Balance, 0, &[T::Balance]);
    check_lost(Scenario::Seed, 0, &[T::RedeemToken, T::CreateToken, T::Balance]);
    // A token that may be spent is not redeemed again.
    check_lost(Scenario::Seed, 1, &[T::CreateToken, T::Balance, T::RedeemToken]);
    check_lost(Scenario::Seed, 2, &[T::CreateToken, T::Balance, T::RedeemToken]);
    // No winnings for a bet that may not be there.
    check_lost(Scenario::Full, 2, &[T::CreateToken, T::RedeemToken, T::Balance, T::PlaceBet]);
    check_lost(Scenario::Full, 9, &[T::CreateToken, T::RedeemToken, T::Balance, T::PlaceBet]);
    check_lost(Scenario::Full, 17, &[T::CreateToken, T::RedeemToken]);
    check_lost(Scenario::Wrapped, 1, &[T::Balance, T::RedeemToken, T::CreateToken]);
}

#[test]
fn an_iteration_that_was_broken_off_is_none() {
    let mut vu = vu(Scenario::Seed);
    let minted = r#"{"ErrorCode":0,"Result":{"SessionToken":"other"}}"#;
    let minted = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{minted}", minted.len());
    play(&mut vu, 110, 120, &[(130, ANSWER.as_bytes())]);
    let bytes = vu.ask(&Timestamp::new(0), 140);
    vu.on_sent(bytes, 150);
    vu.break_off(AnswerCheck::default(), 160);
    assert!(!vu.is_within_iteration(), "nothing is left to be played out");
    let (_, _, iteration) = play(&mut vu, 170, 180, &[(190, minted.as_bytes())]);
    assert_eq!(iteration, None);
    let iterations = [200, 210, 220].map(|at| play(&mut vu, at, at + 1, &[(at + 2, minted.as_bytes())]).2);
    assert_eq!(iterations, [None, None, Some(32)]);
    let second = vu.ask(&Timestamp::new(0), 230);
    vu.on_sent(second, 231);
    vu.on_bytes(&mut minted.as_bytes(), &site(), 232);
    vu.finish_step(OK, 232);
    let redeem = String::from_utf8(vu.ask(&Timestamp::new(0), 240)).expect("UTF-8");
    assert!(redeem.contains("\"SessionToken\":\"other\""), "{redeem}");
}
