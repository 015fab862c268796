//! Lines of a statement that have left memory.

use alloc::collections::BTreeMap;
use compact_str::CompactString;

use super::Millis;
use super::amount::Amount;
use super::image::{RoundImage, TransactionImage};
use super::operation::GetStatement;
use super::outcome::StatementLine;
use super::platform::PlatformKey;
use super::replay::BadImage;

/// What the history has of an account's statement: the first lines after a number, and what tells from where on the statement is
/// complete. Bounded, however many rounds it is shown.
#[derive(Debug)]
pub struct PastLines {
    after: u64,
    most: usize,
    /// What was made later is remembered.
    forgotten_until_ms: Millis,
    /// When the first comes to its end of what is remembered of it: a round by its last transaction, or a number that was made
    /// within the retention.
    oldest_ms: Millis,
    /// By their numbers, with the last transaction of the round that they were in.
    lines: BTreeMap<u64, (Millis, StatementLine)>,
    /// There were more of them.
    is_cut: bool,
    /// The first number that was made within the retention; [`u64::MAX`] where there is none.
    recent_from: u64,
    /// Of the numbers before that those that are remembered, since their rounds went on: runs of them, each with its last number
    /// by its first. The last of them, where they are many.
    older: BTreeMap<u64, u64>,
}

impl PastLines {
    /// None yet, for a page of a statement. What was touched last at or before `forgotten_until_ms` is forgotten.
    pub fn new(of: &GetStatement<&str>, forgotten_until_ms: Millis) -> Self {
        // One more than the page has, which says that there is more.
        let most = usize::from(of.limit).min(limits::STATEMENT_LINES_MAX) + 1;
        let (lines, older) = (BTreeMap::new(), BTreeMap::new());
        Self {
            after: of.after,
            most,
            forgotten_until_ms,
            oldest_ms: Millis::MAX,
            lines,
            is_cut: false,
            recent_from: u64::MAX,
            older,
        }
    }

    /// Takes in what a round of the account has, in any order; of several versions of a round the newest counts.
    ///
    /// # Errors
    /// Where it can't be a round of a wallet.
    pub fn add(&mut self, round: &RoundImage) -> Result<(), BadImage> {
        if round.last_ms <= self.forgotten_until_ms {
            return Ok(());
        }
        self.oldest_ms = self.oldest_ms.min(round.last_ms);
        for known in round.transactions.iter().filter(|known| known.number > 0) {
            self.count(known.number, known.at_ms);
            if known.at_ms > self.forgotten_until_ms {
                self.oldest_ms = self.oldest_ms.min(known.at_ms);
            }
            let is_newer = |(last_ms, _): &(Millis, StatementLine)| *last_ms < round.last_ms;
            if known.number > self.after && self.lines.get(&known.number).is_none_or(is_newer) {
                self.lines.insert(known.number, (round.last_ms, statement_line(round, known)?));
                if self.lines.len() > self.most {
                    self.lines.pop_last();
                    self.is_cut = true;
                }
            }
        }
        Ok(())
    }

    /// Whether it would be another one by now: what was touched last at or before `forgotten_until_ms` is forgotten.
    pub const fn is_outdated(&self, forgotten_until_ms: Millis) -> bool {
        self.oldest_ms <= forgotten_until_ms
    }

    /// What memory has is counted by what is forgotten by now, where that makes no difference to what was counted before
    /// ([`PastLines::is_outdated`]).
    pub(super) const fn go_on(&mut self, forgotten_until_ms: Millis) {
        self.forgotten_until_ms = forgotten_until_ms;
    }

    /// Counts a transaction that is remembered.
    pub(super) fn count(&mut self, number: u64, at_ms: Millis) {
        if at_ms > self.forgotten_until_ms {
            self.recent_from = self.recent_from.min(number);
        } else {
            self.count_older(number);
        }
    }

    fn count_older(&mut self, number: u64) {
        let before = self.older.range(..=number).next_back().map(|(first, last)| (*first, *last));
        let (mut first, mut last) = (number, number);
        match before {
            Some((_, known)) if known >= number => return,
            Some((from, known)) if known + 1 == number => first = from,
            _ => {}
        }
        if let Some(behind) = self.older.remove(&(number + 1)) {
            last = behind;
        }
        self.older.insert(first, last);
        if self.older.len() > limits::FORGOTTEN_PER_PAGE {
            self.older.pop_first();
        }
    }

    /// From which number on the statement of an account with so many transactions is complete: all that were made within the
    /// retention are remembered, and those right before them that are remembered, too.
    pub(super) fn complete_from(&self, transactions: u64) -> u64 {
        let mut from = self.recent_from.min(transactions + 1);
        // A run may end in the middle of those that are recent, which come in any order.
        while let Some((first, last)) = self.older.range(..from).next_back()
            && last + 1 >= from
        {
            from = *first;
        }
        from
    }

    /// The number up to which all lines were kept, where there are more.
    pub(super) fn told_until(&self) -> Option<u64> {
        self.is_cut.then(|| self.lines.last_key_value().map_or(self.after, |(number, _)| *number))
    }

    /// The lines, by their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = &StatementLine> {
        self.lines.values().map(|(_, line)| line)
    }
}

/// The line of a transaction of a round of the history.
///
/// # Errors
/// Where it can't be one of a wallet, or is none: a cancelled bet.
pub fn statement_line(round: &RoundImage, known: &TransactionImage) -> Result<StatementLine, BadImage> {
    let amount = |minor| Amount::from_minor(minor).ok_or(BadImage("an amount below zero"));
    let game = round.game_of(known);
    let original = known.original.and_then(|at| round.transactions.get(at as usize));
    Ok(StatementLine {
        number: known.number,
        kind: known.line_kind().ok_or(BadImage("a transaction of no known kind"))?,
        platform: PlatformKey::from_bytes(round.platform).ok_or(BadImage("a platform that has no key"))?,
        round: (!round.is_outside()).then(|| CompactString::from(round.id.as_str())),
        game: (!game.is_empty()).then(|| CompactString::from(game)),
        transaction: CompactString::from(known.id.as_str()),
        original: original.map(|bet| CompactString::from(bet.id.as_str())),
        amount: amount(known.amount)?,
        moved_nothing: known.moved_nothing(),
        rolled_back: known.rolled_back(),
        balance_after: amount(known.balance_after)?,
        at_ms: known.at_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountRef;

    const UNTIL: Millis = 1_000;

    fn past(limit: u16) -> PastLines {
        PastLines::new(&GetStatement { account: AccountRef::new("default/anna"), after: 0, limit }, UNTIL)
    }

    /// A closed round of a platform with these transactions: number and time.
    fn round(last_ms: Millis, transactions: &[(u64, Millis)]) -> RoundImage {
        let known = |(number, at_ms): &(u64, Millis)| TransactionImage {
            id: alloc::format!("{number}"),
            number: *number,
            at_ms: *at_ms,
            ..TransactionImage::default()
        };
        RoundImage {
            id: "r".into(),
            platform: PlatformKey::new("L100").unwrap().bytes(),
            state: 2,
            last_ms,
            transactions: transactions.iter().map(known).collect(),
            ..RoundImage::default()
        }
    }

    /// Of an account with nine transactions.
    #[track_caller]
    fn check(rounds: &[RoundImage], numbers: &[u64], complete_from: u64, oldest_ms: Millis) {
        for reversed in [false, true] {
            let mut past = past(100);
            let mut rounds: Vec<&RoundImage> = rounds.iter().collect();
            if reversed {
                rounds.reverse();
            }
            rounds.into_iter().for_each(|round| past.add(round).unwrap());
            assert_eq!(past.lines().map(|line| line.number).collect::<Vec<_>>(), numbers);
            assert_eq!(past.complete_from(9), complete_from);
            assert!(past.is_outdated(oldest_ms) && !past.is_outdated(oldest_ms - 1));
        }
    }

    #[test]
    fn a_statement_is_complete_from_where_nothing_is_forgotten() {
        let (old, new) = (UNTIL, UNTIL + 1);
        check(&[round(new, &[(9, new)])], &[9], 9, new);
        check(
            &[round(new + 5, &[(7, new + 3), (9, new + 5)]), round(new + 4, &[(8, new + 4)])],
            &[7, 8, 9],
            7,
            new + 3,
        );
        // A round that is remembered keeps what is older; 3 and 5 are forgotten.
        check(&[round(new, &[(4, old), (6, old), (7, old), (8, old), (9, new)])], &[4, 6, 7, 8, 9], 6, new);
        check(
            &[round(new, &[(4, old), (7, old), (9, new)]), round(new, &[(6, old), (8, old)])],
            &[4, 6, 7, 8, 9],
            6,
            new,
        );
        check(&[round(old, &[(8, old)]), round(new, &[(9, new)])], &[9], 9, new);
        // The last number is of what was made outside of rounds, and is forgotten.
        check(&[round(new, &[(1, old), (2, old)])], &[1, 2], 10, new);
        check(&[round(new, &[(8, old), (9, old)])], &[8, 9], 8, new);
    }

    #[test]
    fn of_a_line_the_newest_version_counts_and_a_page_is_bounded() {
        let mut past = past(2);
        for last_ms in [UNTIL + 1, UNTIL + 3, UNTIL + 2] {
            let mut round = round(last_ms, &[(1, UNTIL), (2, UNTIL), (3, UNTIL), (4, UNTIL)]);
            round.transactions[0].amount = last_ms as i64;
            past.add(&round).unwrap();
        }
        let lines: Vec<_> = past.lines().map(|line| (line.number, line.amount.minor())).collect();
        assert_eq!(lines, [(1, UNTIL as i64 + 3), (2, 0), (3, 0)]);
        assert_eq!(past.told_until(), Some(3));
    }
}
