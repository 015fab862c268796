//! Rounds as bytes.

use alloc::vec::Vec;

use super::*;

const GAME: GameIndex = GameIndex::from_number(7);

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

#[test]
fn transactions_are_read_as_they_were_written() {
    let ids = [
        "",
        "b",
        &"x".repeat(127),
        &"y".repeat(128),
        "名前-\u{1f3b2}",
        &"\u{1f3b2}".repeat(limits::ID_CHARS_MAX),
    ];
    for id in ids {
        let mut packed = Packed::new(RoundKind::ByGame, id, 0);
        let mut known = Vec::new();
        packed.set_orphan(true);
        for (at, minor) in [0, 1, 127, 128, i64::MAX / 4].into_iter().enumerate() {
            for kind in (0..8).map(|number| Kind::from_number(number).unwrap()) {
                let mut transaction =
                    Transaction::new(kind, ids[at], amount(minor), minor.unsigned_abs() * 2);
                transaction.balance_after = amount(i64::MAX - minor);
                transaction.number = u64::MAX - minor.unsigned_abs();
                transaction.game = if at % 2 == 0 { GAME } else { GameIndex::NONE };
                transaction.original = known.last().map(|(place, _)| *place);
                transaction.fate = [Fate::Stands, Fate::MovedNothing][at % 2];
                let place = packed.push(&transaction, GAME);
                known.push((place, transaction));
            }
        }
        let (first, _) = known[0];
        packed.set_fate(first, Fate::RolledBack);
        known[0].1.fate = Fate::RolledBack;
        let check = |packed: &Packed, known: &[(Place, Transaction<'_>)]| {
            assert_eq!((packed.id(), packed.kind(), packed.is_orphan()), (id, RoundKind::ByGame, true));
            assert_eq!(packed.len(), known.len());
            let read = packed.iter().map(|known| alloc::format!("{:?}", (known.place(), known.read(GAME))));
            let expected = known.iter().map(|known| alloc::format!("{known:?}"));
            assert_eq!(read.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            assert!(known.iter().all(|(place, of)| packed.at(*place).is(of.kind, of.id)));
            assert!(known.iter().all(|(place, of)| packed.find(of.kind, of.id) == Some(*place)));
            assert_eq!(packed.find(Kind::Credit, "none"), None);
            for first in 0..=known.len() {
                let behind = packed.iter_behind(first).map(|known| known.place());
                assert!(behind.eq(known[first..].iter().map(|(place, _)| *place)), "{first}");
            }
        };
        check(&packed, &known);
        for kept in (0..known.len()).rev() {
            packed.truncate(known[kept].0, kept);
            check(&packed, &known[..kept]);
        }
    }
}

#[test]
fn a_bet_and_its_win_are_one_piece_of_memory() {
    let mut packed = Packed::new(RoundKind::Plain, &"r".repeat(36), 2 * usual_len(36));
    let (bet, win) = ("b".repeat(36), "w".repeat(36));
    let before = packed.bytes.as_ptr();
    for (kind, id) in [(PlayKind::Bet, &bet), (PlayKind::Win, &win)] {
        let mut transaction = Transaction::new(Kind::Play(kind), id.as_str(), amount(250), 1_764_000_000_000);
        (transaction.balance_after, transaction.number, transaction.game) = (amount(99_750), 1_000, GAME);
        packed.push(&transaction, GAME);
        let ids = 36 * packed.iter().count() + 36;
        assert!(packed.used as usize - ids < 40, "{}", packed.used);
    }
    assert_eq!(packed.bytes.as_ptr(), before, "it has not moved");
    assert!(packed.bytes.len() < 3 * 36 + 55, "{}", packed.bytes.len());
}
