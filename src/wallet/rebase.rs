//! An account that was written under a clock that was ahead, brought back to one that is right.

use super::Millis;
use super::image::{AccountImage, RoundImage, SumImage, TransactionImage};
use super::operation::PlayKind;
use super::outcome::LineKind;
use super::settings::Settings;
use super::sums::Periods;

impl AccountImage {
    /// Brings every time that is later than `now_ms` back to it. What is remembered for a time is remembered for that long
    /// from now; the order of what happened stays. What was staked and won in a day, week or month that has not begun
    /// counts in the current one of `settings`, beside what was before: a limit is not escaped by it.
    pub fn rebase(&mut self, now_ms: Millis, settings: &Settings) {
        let back = |ms: &mut Millis| *ms = (*ms).min(now_ms);
        for session in &mut self.sessions {
            back(&mut session.started_ms);
            back(&mut session.used_ms);
        }
        for round in &mut self.rounds {
            back(&mut round.last_ms);
        }
        let of_rounds = self.rounds.iter_mut().flat_map(|round| &mut round.transactions);
        for transaction in of_rounds {
            back(&mut transaction.at_ms);
        }
        for (at_ms, _) in &mut self.alerts {
            back(at_ms);
        }
        let Some(mut sums) = self.sums else { return };
        let domain = self.id.split_once('/').map_or("", |(domain, _)| domain);
        let calendar = settings.domain(domain).and_then(|domain| domain.calendar);
        let periods = calendar.map_or_else(|| Periods::at(now_ms), |calendar| Periods::of(&calendar));
        for (sum, from_ms) in sums.iter_mut().zip(periods.starts_ms()) {
            back(&mut sum.from_ms);
            // A later period's sum has taken the place of the current one's, which the transactions still know of, as far as
            // they are remembered. Of the two the larger stake counts.
            let counted = self.count(from_ms);
            if counted.staked > sum.staked {
                *sum = counted;
            }
        }
        self.sums = Some(sums);
    }

    /// The sums of a period, out of the transactions that are remembered.
    fn count(&self, from_ms: Millis) -> SumImage {
        let won = self.rounds.iter().flat_map(|round| amounts(round, from_ms, PlayKind::Win)).sum();
        let staked = self.rounds.iter().map(|round| staked(round, from_ms)).sum();
        SumImage { from_ms, staked, won }
    }
}

/// What a round's bets since `from_ms` have staked, less what was rolled back of them and what was voided since.
fn staked(round: &RoundImage, from_ms: Millis) -> i128 {
    let bets: i128 = amounts(round, from_ms, PlayKind::Bet).sum();
    let voids: i128 = amounts(round, from_ms, PlayKind::Void).sum();
    (bets - voids).max(0)
}

/// The amounts of a round's transactions of a kind since `from_ms` that stand, minor units.
fn amounts(round: &RoundImage, from_ms: Millis, kind: PlayKind) -> impl Iterator<Item = i128> + '_ {
    let is = move |known: &&TransactionImage| {
        known.at_ms >= from_ms && !known.rolled_back() && known.line_kind() == Some(LineKind::Play(kind))
    };
    round.transactions.iter().filter(is).map(|known| i128::from(known.amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformKey;
    use crate::image::{RoundKind, SessionImage};

    const DAY_MS: Millis = 24 * 3_600 * 1_000;

    /// Wednesday 2026-11-25, noon.
    const NOW: Millis = 20_782 * DAY_MS + DAY_MS / 2;

    fn transaction(at_ms: Millis) -> TransactionImage {
        TransactionImage { id: "t".into(), amount: 100, at_ms, number: 1, ..TransactionImage::default() }
    }

    fn deposit(at_ms: Millis) -> RoundImage {
        let transaction = TransactionImage { kind: 5, ..transaction(at_ms) };
        RoundImage::outside(RoundKind::Deposit, PlatformKey::NONE, transaction)
    }

    /// An account, all of whose times are these.
    fn account(at_ms: [Millis; 2], from_ms: [Millis; 3]) -> AccountImage {
        let [first, last] = at_ms;
        let sum = |from_ms| SumImage { from_ms, staked: 500, won: 200 };
        AccountImage {
            id: "default/anna".into(),
            cash: 1_000,
            version: 7,
            sessions: vec![SessionImage {
                key: "k".into(),
                serial: 1,
                endless: false,
                started_ms: first,
                used_ms: last,
            }],
            sums: Some(from_ms.map(sum)),
            rounds: vec![
                RoundImage {
                    id: "r".into(),
                    state: 2,
                    staked: 100,
                    last_ms: last,
                    transactions: vec![transaction(first), transaction(last)],
                    ..RoundImage::default()
                },
                deposit(first),
                deposit(last),
            ],
            alerts: vec![(first, "{}".into()), (last, "{}".into())],
            ..AccountImage::default()
        }
    }

    #[track_caller]
    fn check(at_ms: [Millis; 2], from_ms: [Millis; 3], expect_ms: [Millis; 2], expect_from_ms: [Millis; 3]) {
        let mut image = account(at_ms, from_ms);
        image.rebase(NOW, &Settings::default());
        assert_eq!(image, account(expect_ms, expect_from_ms));
    }

    #[test]
    fn times_to_come_are_brought_back_and_sums_are_kept() {
        // The day, its Monday, and the first of its month.
        let days = |days: [u64; 3]| days.map(|day| day * DAY_MS);
        let current = days([20_782, 20_780, 20_758]);
        check([NOW - 1, NOW], current, [NOW - 1, NOW], current);
        let before = days([20_770, 20_766, 20_758]);
        check([NOW - 9 * DAY_MS, NOW - 1], before, [NOW - 9 * DAY_MS, NOW - 1], before);
        check([NOW - 1, NOW + 1], current, [NOW - 1, NOW], current);
        // Eight days on, in the next week and the next month.
        let later = days([20_790, 20_787, 20_788]);
        check([NOW + 8 * DAY_MS, NOW + 8 * DAY_MS + 1], later, [NOW, NOW], [NOW; 3]);
        // Later on the day, and in the week, alone.
        let [_, monday, first] = current;
        check([NOW + 1, NOW + 2], [20_784 * DAY_MS, monday, first], [NOW, NOW], [NOW, monday, first]);
        check([Millis::MAX; 2], [Millis::MAX; 3], [NOW; 2], [NOW; 3]);
        let mut none = AccountImage::default();
        none.rebase(0, &Settings::default());
        assert_eq!(none, AccountImage::default());
    }

    /// What was staked and won on the current day before the clock ran ahead, and then on a later one, of which alone the
    /// account has the sums.
    #[test]
    fn what_came_before_counts_beside_what_was_to_come() {
        const BET: u8 = 0;
        const WIN: u8 = 1;
        const VOID: u8 = 3;
        let known =
            |kind, at_ms, amount, flags| TransactionImage { kind, flags, amount, ..transaction(at_ms) };
        let (today, yesterday, ahead) = (NOW - 1, NOW - DAY_MS, NOW + 2 * DAY_MS);
        let round = |transactions| RoundImage { transactions, ..RoundImage::default() };
        let mut image = account([today; 2], [(20_782 + 2) * DAY_MS, 20_780 * DAY_MS, 20_758 * DAY_MS]);
        image.rounds = vec![
            round(vec![known(BET, today, 1_000, 0), known(BET, ahead, 300, 0), known(WIN, ahead, 50, 0)]),
            round(vec![known(BET, yesterday, 70, 0), known(BET, today, 60, 2), known(VOID, today, 70, 0)]),
            round(vec![known(WIN, yesterday, 30, 0)]),
        ];
        image.rebase(NOW, &Settings::default());
        let sums = image.sums.unwrap().map(|sum| (sum.staked, sum.won));
        assert_eq!(sums, [(1_300, 50), (1_300, 80), (1_300, 80)]);
        // Of as large a stake, what was won is as it was, also where its round was forgotten since.
        image.sums = image.sums.map(|sums| sums.map(|sum| SumImage { won: 90, ..sum }));
        image.rebase(NOW, &Settings::default());
        assert_eq!(image.sums.unwrap().map(|sum| sum.won), [90; 3]);
    }
}
