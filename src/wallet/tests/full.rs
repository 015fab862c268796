//! What a wallet answers that holds as much as it may. The bounds are lower here than in a server (`bounds`).

use super::rounds::Table;
use super::*;

#[test]
fn a_full_wallet_begins_no_round_and_ends_those_that_it_has() {
    let mut table = Table::new();
    for number in 1..=bounds::ROUNDS_MAX {
        table.check(&format!("bet r{number} b 0 start"), (0, Some(1_000)));
    }
    let refused = ErrorCode::Unknown as i8;
    table.check("bet more b 0 start", (refused, None));
    table.check("win more w 0", (refused, None));
    table.check("void more v 0", (-14, Some(1_000)));
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
