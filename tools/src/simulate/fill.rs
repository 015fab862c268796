//! What is filled: a round to its bounds, a table of rounds until it has parts. That takes more requests than a run has steps, so
//! they come all at once.

use std::sync::Arc;

use compact_str::CompactString;

use testkit::auditor::bounds::{ROUND_BETS_MAX, ROUND_TRANSACTIONS_MAX};
use wallet::RoundScope;
use wallet::account::{AccountRef, AccountStatus};
use wallet::amount::{Amount, Money};
use wallet::operation::{self, Direction, Operation, Play, PlayKind};
use wallet::restriction::Restrictions;

use super::run::Run;
use super::time::MONTH_MS;

/// Requests that go out together.
const TOGETHER: usize = 50;

/// More rounds than a part of a wallet's table has room for.
const ROUNDS: usize = 1_700;

impl Run {
    /// The first player bets until its round takes no further bet, and where it is to be filled wholly, wins until it
    /// takes nothing. A few more of each kind come after that.
    ///
    /// # Errors
    /// A sentence, where the machine is not as it should be.
    pub(super) fn fill_round(&mut self, wholly: bool) -> Result<(), String> {
        let Some(mut blank) = self.filler()? else { return Ok(()) };
        let numbered = |blank: &Play<CompactString>, number: usize| {
            Operation::Play(Play { transaction: format!("f-{number}").into(), ..blank.clone() })
        };
        self.ask_all((0..ROUND_BETS_MAX + 2).map(|number| numbered(&blank, number)))?;
        let stake = core::mem::replace(&mut blank.amount, Amount::ZERO);
        blank.kind = PlayKind::Win;
        let wins = if wholly { ROUND_TRANSACTIONS_MAX - ROUND_BETS_MAX + 2 } else { 2 };
        self.ask_all((0..wins).map(|number| numbered(&blank, number)))?;
        (blank.kind, blank.amount) = (PlayKind::Rollback, stake);
        for (number, original) in ["f-0", "not-there"].into_iter().enumerate() {
            blank.original = Some(original.into());
            self.ask_all([numbered(&blank, number)].into_iter())?;
        }
        (blank.kind, blank.original) = (PlayKind::Void, None);
        self.ask_all([numbered(&blank, 0)].into_iter())
    }

    /// The first player plays so many rounds that their table is split, asks for all of them once more, and waits until they
    /// are forgotten.
    ///
    /// # Errors
    /// A sentence, where the machine is not as it should be.
    pub(super) fn fill_table(&mut self) -> Result<(), String> {
        let Some(mut blank) = self.filler()? else { return Ok(()) };
        blank.ends_round = true;
        for _ in 0..2 {
            let rounds = (0..ROUNDS).map(|number| {
                let round = format!("round-{number}").into();
                Operation::Play(Play { round, transaction: "f".into(), ..blank.clone() })
            });
            self.ask_all(rounds)?;
        }
        self.now_ms += self.rules.times.retention_ms.min(MONTH_MS);
        for _ in 0..ROUNDS / limits::TIDIED_PER_TURN {
            self.sweep()?;
            self.drain()?;
        }
        Ok(())
    }

    /// A bet of 0.01 that the first player may play, with money for it and a session.
    fn filler(&mut self) -> Result<Option<Play<CompactString>>, String> {
        self.relieve();
        self.drain()?;
        let player = self.workload.first_player();
        let (account, currency) = (AccountRef::new(CompactString::from(player.id.as_str())), player.currency);
        let Some(platform) = player.platforms.iter().find(|key| self.rules.serves(**key, account.id()))
        else {
            return Ok(None);
        };
        let Some(game) = self.rules.games.first() else { return Ok(None) };
        let stake = Amount::from_minor(1).expect("it is not negative");
        let blank = Play {
            kind: PlayKind::Bet,
            platform: *platform,
            account: account.clone(),
            session: Some("key-of-filler".into()),
            session_checked: false,
            round: "filled".into(),
            scope: RoundScope::Platform,
            transaction: CompactString::default(),
            original: None,
            game: game.as_str().into(),
            currency: Some(currency),
            amount: stake,
            starts_round: true,
            ends_round: false,
            details: None,
        };
        self.ask_all(
            [
                Operation::SetStatus(operation::SetStatus {
                    account: account.clone(),
                    status: AccountStatus::Active,
                }),
                Operation::SetLimits(operation::SetLimits {
                    account: account.clone(),
                    limits: Box::new(Restrictions::none()),
                }),
                Operation::Transfer(operation::Transfer {
                    account: account.clone(),
                    direction: Direction::In,
                    transaction: "of-filler".into(),
                    amount: Money::parse("1000").expect("it is a number"),
                    currency: None,
                }),
                Operation::OpenSession(operation::OpenSession { account, key: "key-of-filler".into() }),
            ]
            .into_iter(),
        )?;
        Ok(Some(blank))
    }

    fn ask_all(&mut self, requests: impl Iterator<Item = Operation<CompactString>>) -> Result<(), String> {
        for (number, request) in requests.enumerate() {
            if let Some(request) = self.rules.asked(&Arc::new(request)) {
                let at = self.cluster.owner(&request);
                self.send_to(at, u64::MAX, &request);
            }
            if number % TOGETHER == TOGETHER - 1 {
                self.drain()?;
            }
        }
        self.drain()
    }
}
