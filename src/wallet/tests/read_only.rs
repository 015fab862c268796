//! What is told where nothing can be journaled.

use super::outside::credit;
use super::rounds::{Table, play};
use super::*;

/// What would be turned away where nothing can be journaled, and what is told as ever.
#[test]
fn what_would_change_something_is_known_before() {
    let mut table = Table::new();
    for asked in [
        "bet r a 100 start",
        "win r w 5",
        "bet r b 10",
        "rollback r x 10 of=b",
        "rollback r u 1 of=none",
        "bet done a 1 start close",
    ] {
        table.story.outcome(&play(asked).as_deref());
    }
    for (asked, changes) in [
        ("bet r a 100 start", false),
        ("bet r a 101", false),
        ("bet r c 5", true),
        ("bet r c 99999", false),
        ("bet s c 5", false),
        ("bet r c 5 key=none", false),
        ("win r w 5", false),
        ("win r w2 0", true),
        ("rollback r x 10 of=b", false),
        ("rollback r y 10 of=b", true),
        ("rollback r z 10 of=a", false),
        ("rollback r z 100 of=a", true),
        ("rollback r q 1 of=other", true),
        ("rollback r u 1 of=none", false),
        ("void r v 999", false),
        ("void r v 1", true),
        ("end r", true),
        ("end done", false),
        ("end s", false),
    ] {
        let operation = play(asked);
        let (operation, now_ms) = (operation.as_deref(), table.story.now_ms);
        assert_eq!(table.story.wallet.would_change(now_ms, &operation), changes, "{asked}");
        let before = table.story.journal.len();
        table.story.outcome(&operation);
        assert_eq!(table.story.journal.len() > before, changes, "{asked}");
    }
    for changes in [true, false] {
        for operation in [credit(ADMIN, "c", 1, "GBP"), transfer(ADMIN, Direction::Out, "w", "0.01")] {
            assert_eq!(
                table.story.wallet.would_change(table.story.now_ms, &operation),
                changes,
                "{operation:?}"
            );
            table.story.outcome(&operation);
        }
    }
}
