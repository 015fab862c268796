//! What a wallet answers that holds as much as it may. The bounds are lower here than in a server (`bounds`).

use super::rounds::{Table, play};
use super::*;

#[test]
fn a_full_wallet_begins_no_round_and_ends_those_that_it_has() {
    let mut table = Table::new();
    // With the history a closed round takes no room.
    table.story.shadow = None;
    table.check("bet r1 b 0 start", (0, Some(1_000)));
    // The opening deposits of two accounts are among them.
    for number in 2..bounds::ROUNDS_MAX - 1 {
        table.check(&format!("bet r{number} b 0 start close"), (0, Some(1_000)));
    }
    let refused = ErrorCode::Unknown as i8;
    table.check("bet more b 0 start", (refused, None));
    table.check("win more w 0", (refused, None));
    table.check("void more v 0", (-14, Some(1_000)));
    let [pays, takes] =
        [outside::credit(ADMIN, "more", 1, "GBP"), transfer(ADMIN, Direction::In, "more", "0.01")];
    table.story.check(&pays, &refusal(ErrorCode::Unknown));
    table.story.check(&takes, &Outcome::Unavailable);
    table.check("bet r1 c 0", (0, Some(1_000)));
    table.check("end r1", (0, Some(1_000)));
    table.story.later(limits::RETENTION_MS);
    table.story.wallet.begin_sweep();
    table.story.wallet.tidy(table.story.now_ms, usize::MAX);
    table.check("win more w 0", (0, Some(1_000)));
}

#[test]
fn a_full_wallet_takes_no_further_account() {
    let mut story = Story::new(TokenPolicy::SingleUse);
    let ids: Vec<String> =
        (story.wallet.accounts()..bounds::ACCOUNTS_MAX).map(|at| format!("default/{at}")).collect();
    for id in &ids {
        story.check(&put(id), &Outcome::AccountPut { created: true });
    }
    story.check(&put("default/more"), &Outcome::OperatorRefused(OperatorRefusal::ShardFull));
    story.check(&put(ADMIN), &Outcome::AccountPut { created: false });
    let mut image = images(&story.wallet, story.now_ms).remove(0);
    image.id = "default/more".into();
    for (slot, places) in story.wallet.by_slot() {
        let mut images = story.wallet.images(story.now_ms, &places);
        assert!(images.all(|image| AccountRef::new(image.id.as_str()).hash().slot() == slot));
    }
    let mut full = Wallet::to_replay();
    full.configure(0, story.wallet.settings()).unwrap();
    for image in images(&story.wallet, story.now_ms) {
        full.restore(&image).unwrap();
    }
    assert_eq!(full.restore(&image).unwrap_err().0, "more accounts than a shard may have");
}

/// What would leave one more open is refused, in the words of the call; everything else goes on.
#[test]
fn an_account_with_too_many_open_rounds_opens_no_other() {
    let mut table = Table::new();
    table.check("rollback unopened b 5 of=none", (-8, Some(1_000)));
    table.check("bet closed b 0 start close", (0, Some(1_000)));
    let open = |table: &mut Table, number: usize| {
        table.check(&format!("bet r{number} b 1 start"), (0, Some(1_000 - number as i64)));
    };
    for number in 1..bounds::OPEN_ROUNDS_MAX {
        open(&mut table, number);
    }
    // One is left.
    open(&mut table, bounds::OPEN_ROUNDS_MAX);
    let cash = 1_000 - bounds::OPEN_ROUNDS_MAX as i64;
    for (asked, code) in [
        ("bet more b 1 start", -7),
        ("bet more b 1", -14),
        ("bet more b 9999 start", -7),
        ("bet more b 1 start key=none", -3),
        ("bet unopened c 1 start", -7),
        ("win more w 1", -1),
        ("win unopened w 0", -1),
        ("void more v 1", -14),
        ("end more", -14),
        ("rollback more x 1 of=none", -8),
        ("bet r1 b 1 start", 0),
        ("bet r1 c 0", 0),
        ("bet closed c 0", 0),
        ("win closed w 0", 0),
        ("bet whole b 0 start close", 0),
        ("win won w 0 close", 0),
        ("win r2 w 0", 0),
    ] {
        table.check(asked, (code, (![-1, -3].contains(&code)).then_some(cash)));
    }
    let outcome = table.story.outcome(&play("bet more b 1 start").as_deref());
    assert!(
        matches!(&outcome, Outcome::Refused { why: Why(why), .. } if why.contains("as many open rounds")),
        "{outcome:?}"
    );
    // Each that ends makes room for one.
    table.check("end r1", (0, Some(cash)));
    table.check("rollback more x 1 of=none", (-8, Some(cash)));
    table.check("win unopened w 0", (0, Some(cash)));
    table.check("win other w 0", (-1, None));
    table.check("win r2 last 0 close", (0, Some(cash)));
    table.check("win other w 0", (0, Some(cash)));
}

/// What is in a journal was allowed when it was written: it is applied again, and so is what came of it.
#[test]
fn a_replay_asks_for_no_bound() {
    let story = Story::new(TokenPolicy::SingleUse);
    let [mut first, mut again] = [(); 2].map(|()| Wallet::to_replay());
    for wallet in [&mut first, &mut again] {
        wallet.configure(0, story.wallet.settings()).unwrap();
    }
    let rounds: Vec<_> =
        (0..=bounds::OPEN_ROUNDS_MAX).map(|n| play(&format!("bet r{n} b 0 start"))).collect();
    let session =
        Operation::StartSession(operation::StartSession { account: AccountRef::new(ADMIN), key: KEY });
    let begin = [put(ADMIN), session];
    let operations = begin.into_iter().chain(rounds.iter().map(Operation::as_deref));
    for (number, operation) in operations.enumerate() {
        let stamp = Stamp { now_ms: story.now_ms, sequence: number as u64 + 1 };
        if let Some(platform) = operation.platform() {
            first.platforms.meet(platform).unwrap();
        }
        let mut effect = Effect::default();
        first.apply(stamp, &operation, &mut effect);
        let receipt = effect.changed.expect("it is done");
        assert_eq!(again.replay(Rules::V2, stamp, &operation, &receipt), Ok(()), "{operation:?}");
    }
    assert_eq!(images(&again, story.now_ms), images(&first, story.now_ms));
    let catalog = story.wallet.catalog.clone().expect("it serves");
    again.open(catalog);
    assert_eq!(again.rounds(), bounds::OPEN_ROUNDS_MAX + 1);
    let stamp = Stamp { now_ms: story.now_ms, sequence: 10_000 };
    for (asked, code) in [
        ("bet more b 0 start", -7),
        ("end r0", 0),
        ("bet more b 0 start", -7),
        ("end r1", 0),
        ("bet more b 0 start", 0),
    ] {
        let operation = play(asked);
        let outcome = again.apply(stamp, &operation.as_deref(), &mut Effect::default());
        let is = match outcome {
            Outcome::Refused { code, .. } => code.number(),
            _ => 0,
        };
        assert_eq!(is, code, "{asked}");
    }
}

/// A round with many transactions keeps its sums, and counts them as one with few does.
#[test]
fn a_large_round_gives_back_no_more_than_was_staked() {
    let mut table = Table::new();
    table.check("bet r a 10 start", (0, Some(990)));
    table.check("bet r b 10", (0, Some(980)));
    for (number, cash) in (0..14).zip(981..) {
        table.check(&format!("void r v{number} 1"), (0, Some(cash)));
    }
    table.check("void r w 7", (-7, Some(994)));
    table.check("rollback r x 10 of=b", (-7, Some(994)));
    table.check("bet r c 5", (0, Some(989)));
    table.check("rollback r y 10 of=a", (0, Some(999)));
    table.check("void r w 2", (-7, Some(999)));
    table.check("void r z 1", (0, Some(1_000)));
    table.check("void r u 1", (-7, Some(1_000)));
}
