//! Rows of protocol §5: what a crash may leave, and what it may not.

use super::*;
use wallet::outcome::{AccountView, Outcome};

/// A machine that loses its memory: what it has done before is the durable part, and it may have done more.
struct Crash {
    story: Story,
    /// The machine, which is right: an auditor that answers.
    machine: Auditor,
    under_way: Vec<RequestId>,
}

impl Crash {
    fn new() -> Self {
        let story = Story::new();
        let machine = story.auditor.clone();
        Self { story, machine, under_way: Vec::new() }
    }

    /// The machine does this, and nobody is told.
    #[track_caller]
    fn unacknowledged(&mut self, request: impl Into<Ask>) {
        let Ask(request) = request.into();
        let answer = self.machine.answer(self.story.now_ms, &request);
        let id = self.story.auditor.sent(self.story.now_ms, &request);
        assert_eq!(self.story.auditor.answered(id, self.story.now_ms, &answer), Ok(()));
        self.under_way.push(id);
    }

    /// The machine does this, and somebody is told.
    #[track_caller]
    fn acknowledged(&mut self, request: impl Into<Ask>) {
        self.unacknowledged(request);
        let id = self.under_way.pop().unwrap();
        self.story.auditor.acknowledged(id);
    }

    /// The machine as it is now, to come back to.
    fn saved(&self) -> Auditor {
        self.machine.clone()
    }

    /// After a crash Anna's account is as `left` has it.
    fn judge(&self, left: &Auditor) -> Result<Story, String> {
        self.judge_shown(&show(&mut left.clone(), ANNA, self.story.now_ms))
    }

    fn judge_shown(&self, shown: &Shown) -> Result<Story, String> {
        let mut story = self.story.clone();
        story.auditor.crashed(story.now_ms);
        assert_eq!(story.auditor.probes(), [ANNA]);
        story.auditor.recovered(story.now_ms, ANNA, shown)?;
        assert_eq!(story.auditor.probes(), [] as [&str; 0]);
        if let Outcome::Account(view) = &shown.view {
            (story.cash, story.version) = (view.balance.cash.minor(), view.balance.version);
        }
        Ok(story)
    }
}

/// An account as a machine shows it.
pub(super) fn show(machine: &mut Auditor, account: &str, now_ms: u64) -> Shown {
    let (view, was) = (machine.answer(now_ms, &get(account)), machine.rules.times);
    let traces = machine.tip(account).map(Account::traces).unwrap_or_default();
    let mut shown = Shown { view, lines: Vec::new(), complete_from: 1, traces, was };
    loop {
        let after = shown.lines.last().map_or(0, |line| line.number);
        let page =
            Operation::GetStatement(operation::GetStatement { account: at(account), after, limit: 100 });
        let Outcome::Statement(page) = machine.answer(now_ms, &page) else {
            return shown;
        };
        shown.lines.extend(page.lines);
        shown.complete_from = page.complete_from;
        if !page.more {
            return shown;
        }
    }
}

#[test]
fn what_was_acknowledged_is_there() {
    let mut crash = Crash::new();
    let before = crash.saved();
    crash.acknowledged(first_bet("r", "b", 100));
    assert!(crash.judge(&before).is_err());
    let mut story = crash.judge(&crash.saved()).unwrap();
    story.done(bet("r", "b", 100), 0);
}

#[test]
fn what_was_not_acknowledged_is_there_or_not() {
    let mut crash = Crash::new();
    crash.acknowledged(first_bet("r", "a", 10));
    let before = crash.saved();
    crash.unacknowledged(first_bet("r", "b", 100));
    let between = crash.saved();
    crash.unacknowledged(win("r", "w", 30));
    crash.unacknowledged(end("r"));
    // Each answer shows the funds, so what comes later was not done without what came before.
    let mut story = crash.judge(&before).unwrap();
    story.done(bet("r", "b", 100), -100);
    let mut story = crash.judge(&between).unwrap();
    story.done(bet("r", "b", 100), 0);
    story.done(win("r", "w", 30), 30);
    let mut story = crash.judge(&crash.saved()).unwrap();
    story.done(win("r", "w", 30), 0);
    story.refused(first_bet("r", "c", 1), ErrorCode::NotCompleted);
}

#[test]
fn an_effect_is_there_wholly_and_once() {
    let mut crash = Crash::new();
    crash.unacknowledged(first_bet("r", "b", 100));
    let right = show(&mut crash.saved(), ANNA, crash.story.now_ms);
    let Outcome::Account(view) = &right.view else { panic!("no account") };
    let shown = |change: fn(&mut AccountView)| {
        let mut view = view.clone();
        change(&mut view);
        Shown { view: Outcome::Account(view), ..right.clone() }
    };
    assert!(crash.judge_shown(&right).is_ok());
    for wrong in [
        shown(|view| view.balance.cash = pence(OPENING)),
        shown(|view| view.balance.cash = pence(OPENING - 200)),
        shown(|view| view.balance.version -= 1),
        shown(|view| view.open_rounds.clear()),
        shown(|view| view.open_rounds[0].staked = Amount::ZERO),
        shown(|view| view.sessions[0].used_ms += 1),
        shown(|view| view.sessions.clear()),
        shown(|view| view.status = AccountStatus::Frozen),
        Shown { view: refused_operator(OperatorRefusal::NoAccount), ..right.clone() },
        Shown { complete_from: 2, ..right.clone() },
        Shown { was: Times { retention_ms: 1, ..right.was }, ..right.clone() },
    ] {
        assert!(crash.judge_shown(&wrong).is_err(), "{wrong:?}");
    }
    let lines = &right.lines;
    for wrong in [&lines[..1], &[], &[lines[0].clone(), lines[1].clone(), lines[1].clone()][..]] {
        let wrong = Shown { lines: wrong.to_vec(), ..right.clone() };
        assert!(crash.judge_shown(&wrong).is_err(), "{wrong:?}");
    }
}

/// An answer that was seen shows what came before it, so that is there too.
#[test]
fn what_an_acknowledged_answer_shows_is_there() {
    let mut crash = Crash::new();
    let before = crash.saved();
    crash.unacknowledged(first_bet("r", "b", 100));
    crash.acknowledged(balance_of(ANNA));
    assert!(crash.judge(&before).is_err());
    assert!(crash.judge(&crash.saved()).is_ok());
}

#[test]
fn a_cancelled_bet_that_nobody_was_told_of() {
    let mut crash = Crash::new();
    let before = crash.saved();
    crash.unacknowledged(rollback("r", "x", "b", 10));
    let mut story = crash.judge(&before).unwrap();
    story.done(first_bet("r", "b", 10), -10);
    let mut story = crash.judge(&crash.saved()).unwrap();
    story.refused(first_bet("r", "b", 10), ErrorCode::NotCompleted);
    crash.acknowledged(rollback("r", "y", "b", 10));
    assert!(crash.judge(&before).is_err());
}

#[test]
fn tokens_are_forgotten_and_renewals_may_be_for_a_minute() {
    let mut crash = Crash::new();
    for (age_ms, may_be_lost) in [(59_999, true), (60_000, false)] {
        crash = Crash::new();
        crash.story.later(1_000);
        let before = crash.saved();
        let account = at(ANNA);
        let game = GAMES[0].into();
        crash.acknowledged(Operation::CreateToken(operation::CreateToken {
            platform: by(ANNA),
            account,
            game,
            entropy: 1,
        }));
        let token = wallet::token::TokenId::new(at(ANNA).hash().slot(), 1);
        crash.acknowledged(Operation::RedeemToken(operation::RedeemToken { platform: by(ANNA), token }));
        crash.story.later(age_ms);
        assert_eq!(crash.judge(&before).is_ok(), may_be_lost, "{age_ms}");
        assert!(crash.judge(&crash.saved()).is_ok());
    }
    let account = at(ANNA);
    let game = GAMES[0].into();
    crash.acknowledged(Operation::CreateToken(operation::CreateToken {
        platform: by(ANNA),
        account,
        game,
        entropy: 2,
    }));
    let mut story = crash.judge(&crash.saved()).unwrap();
    let token = wallet::token::TokenId::new(at(ANNA).hash().slot(), 2);
    story.refused_blindly(
        Operation::RedeemToken(operation::RedeemToken { platform: by(ANNA), token }),
        ErrorCode::SessionNotFound,
    );
}

#[test]
fn logins_logouts_and_what_the_operator_sets() {
    let mut crash = Crash::new();
    let steps: [Request; 5] = [
        open(ANNA, "second"),
        Operation::SetStatus(operation::SetStatus { account: at(ANNA), status: AccountStatus::Frozen }),
        close(ANNA, KEY),
        transfer(ANNA, Direction::Out, "t", "5"),
        put(ANNA),
    ];
    let mut left = vec![crash.saved()];
    for step in steps {
        crash.unacknowledged(step);
        left.push(crash.saved());
    }
    for machine in &left {
        assert_eq!(crash.judge(machine).map(|_| ()), Ok(()));
    }
    // An expired session was logged out or not, and its player is told so.
    crash.story.later(IDLE_MS);
    for (machine, logged_out) in left.iter().zip([false, false, false, true, true, true]) {
        let mut story = crash.judge(machine).unwrap();
        let request = first_bet("r", "b", 1);
        if logged_out {
            story.refused_blindly(request, ErrorCode::SessionNotFound);
        } else {
            story.refused(request, ErrorCode::SessionNotFound);
        }
    }
}

#[test]
fn an_account_that_nobody_was_told_of() {
    let mut crash = Crash::new();
    let before = crash.saved();
    crash.unacknowledged(put(BERT));
    for machine in [before, crash.saved()] {
        let mut auditor = crash.story.auditor.clone();
        auditor.crashed(crash.story.now_ms);
        for account in auditor.probes() {
            let shown = show(&mut machine.clone(), &account, crash.story.now_ms);
            assert_eq!(auditor.recovered(crash.story.now_ms, &account, &shown), Ok(()));
        }
    }
}

/// A start with other times: what was past the old ones is forgotten for good, and where the start itself was lost, what
/// it had forgotten is there again.
#[test]
fn a_start_with_other_times() {
    let mut crash = Crash::new();
    crash.acknowledged(Play { ends_round: true, ..first_bet("r", "b", 100) });
    let mut shorter = crash.story.auditor.rules.clone();
    shorter.times.retention_ms = 1_000;
    let before = crash.saved();
    crash.story.later(2_000);
    let now_ms = crash.story.now_ms;
    let was = crash.story.auditor.rules.times;
    let start = |auditor: &mut Auditor, machine: &mut Auditor, rules: &Rules, was: Times| {
        auditor.crashed(now_ms);
        auditor.restarted(rules.clone());
        let state = machine.ledgers.get_mut(ANNA).unwrap();
        for account in [&mut state.settled, &mut state.tip].into_iter().flatten() {
            account.restart(now_ms, was, rules.times);
        }
        machine.rules = rules.clone();
        let shown = Shown { was, ..show(machine, ANNA, now_ms) };
        auditor.recovered(now_ms, ANNA, &shown)
    };
    let (mut auditor, mut machine) = (crash.story.auditor.clone(), before.clone());
    assert_eq!(start(&mut auditor, &mut machine, &shorter, was), Ok(()));
    // It dies before anybody is answered: the stored times are the old ones, or the new ones.
    let longer = crash.story.auditor.rules.clone();
    let lost = start(&mut auditor.clone(), &mut before.clone(), &longer, was);
    assert_eq!(lost, Ok(()));
    let stored = start(&mut auditor.clone(), &mut machine.clone(), &longer, shorter.times);
    assert_eq!(stored, Ok(()));
    // Once it has changed something, they are the new ones; what only tells does not wait for that.
    let balance = machine.answer(now_ms, &balance_of(ANNA));
    assert_eq!(auditor.check(now_ms, &balance_of(ANNA), &balance), Ok(()));
    assert_eq!(start(&mut auditor.clone(), &mut before.clone(), &longer, was), Ok(()));
    let put_again = machine.answer(now_ms, &put(ANNA));
    assert_eq!(auditor.check(now_ms, &put(ANNA), &put_again), Ok(()));
    assert!(start(&mut auditor.clone(), &mut before.clone(), &longer, was).is_err());
    assert_eq!(start(&mut auditor, &mut machine, &longer, shorter.times), Ok(()));
}

/// Who is told that a key is taken was shown the session that has it.
#[test]
fn what_another_account_was_shown_is_there() {
    let mut crash = Crash::new();
    crash.acknowledged(put(BERT));
    let before = crash.saved();
    crash.unacknowledged(open(ANNA, "new"));
    let id = crash.story.auditor.sent(crash.story.now_ms, &open(BERT, "new"));
    let taken = refused_operator(OperatorRefusal::KeyTaken);
    assert_eq!(crash.story.auditor.answered(id, crash.story.now_ms, &taken), Ok(()));
    let judge = |crash: &Crash, machine: &Auditor| {
        let mut auditor = crash.story.auditor.clone();
        auditor.crashed(crash.story.now_ms);
        auditor.recovered(crash.story.now_ms, ANNA, &show(&mut machine.clone(), ANNA, crash.story.now_ms))
    };
    assert_eq!(judge(&crash, &before), Ok(()));
    crash.story.auditor.acknowledged(id);
    assert!(judge(&crash, &before).is_err());
    assert_eq!(judge(&crash, &crash.saved()), Ok(()));
}

/// What nobody was told of may be there or not; a start that forgets it in either case, and is lost, leaves both open.
#[test]
fn a_start_that_is_lost_leaves_open_what_it_forgot() {
    let mut crash = Crash::new();
    let before = crash.saved();
    crash.unacknowledged(rollback("r", "x", "b", 10));
    let after = crash.saved();
    crash.story.later(2_000);
    let now_ms = crash.story.now_ms;
    let longer = crash.story.auditor.rules.clone();
    let was = longer.times;
    let mut shorter = longer.clone();
    shorter.times.retention_ms = 1_000;
    for left in [&before, &after] {
        let mut auditor = crash.story.auditor.clone();
        auditor.crashed(now_ms);
        auditor.restarted(shorter.clone());
        let mut machine = left.clone();
        let state = machine.ledgers.get_mut(ANNA).unwrap();
        for account in [&mut state.settled, &mut state.tip].into_iter().flatten() {
            account.restart(now_ms, was, shorter.times);
        }
        let shown = Shown { was, ..show(&mut machine, ANNA, now_ms) };
        assert_eq!(auditor.recovered(now_ms, ANNA, &shown), Ok(()));
        auditor.crashed(now_ms);
        auditor.restarted(longer.clone());
        let shown = show(&mut left.clone(), ANNA, now_ms);
        assert_eq!(auditor.recovered(now_ms, ANNA, &shown), Ok(()));
    }
}
