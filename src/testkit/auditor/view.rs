//! What the operator is shown of an account (protocol §6).

use wallet::outcome::{AccountView, Outcome, RoundView, SessionView, Statement, StatementLine};

use super::account::{Account, Ask, Round, RoundKey, RoundState};
use super::bounds;
use super::rules::{Answer, amount};

impl Account {
    pub(super) fn view(&self, ask: &Ask<'_>) -> Answer {
        let live = self.sessions.iter().filter(|session| session.is_live(ask.now_ms, ask.rules));
        let sessions = live.map(|session| SessionView {
            key: session.key.as_str().into(),
            started_ms: session.started_ms,
            used_ms: session.used_ms(),
        });
        let mut open: Vec<(&RoundKey, &Round)> =
            self.rounds.iter().filter(|(_, round)| round.state == RoundState::Open).collect();
        open.sort_by_key(|(_, round)| round.opened);
        let open_rounds_count = open.len();
        let open_rounds = open.into_iter().take(bounds::OPEN_ROUNDS_SHOWN_MAX);
        let open_rounds = open_rounds.map(|(key, round)| show(key, round)).collect();
        Outcome::Account(Box::new(AccountView {
            id: self.id.as_str().into(),
            profile: self.profile.clone(),
            status: self.status,
            balance: self.balance(),
            limits: self.limits,
            sessions: sessions.collect(),
            open_rounds,
            open_rounds_count,
            alerts: self.alerts.clone(),
        }))
    }

    pub(super) fn statement(&self, after: u64, limit: u16) -> Answer {
        let mut lines = self.lines(after);
        let ends = lines.iter().scan(0, |bytes, line| {
            *bytes += bytes_of(line);
            Some(*bytes)
        });
        let shown = ends.take(limit.into()).take_while(|end| *end <= bounds::PAGE_BYTES_MAX).count();
        let more = lines.len() > shown;
        lines.truncate(shown);
        Outcome::Statement(Box::new(Statement {
            currency: self.currency,
            lines,
            more,
            complete_from: self.forgotten + 1,
        }))
    }

    /// All transactions after this number, oldest first, to be held against the lines that were told.
    pub(super) fn lines(&self, after: u64) -> Vec<StatementLine> {
        let remembered = self.transactions.range(after.saturating_add(1)..);
        let lines = remembered.map(|(number, transaction)| StatementLine {
            number: *number,
            kind: transaction.kind.line(),
            platform: transaction.platform,
            round: transaction.round.as_ref().map(|key| key.round.clone()),
            game: transaction.game.clone(),
            transaction: transaction.id.clone(),
            original: transaction.original.clone(),
            amount: amount(transaction.amount),
            moved_nothing: transaction.moved_nothing,
            rolled_back: transaction.rolled_back,
            balance_after: amount(transaction.balance_after),
            at_ms: transaction.at_ms,
        });
        lines.collect()
    }
}

/// What a line counts in a page. The ids of the simulator are plain.
fn bytes_of(line: &StatementLine) -> usize {
    let texts = [line.round.as_ref(), line.game.as_ref(), Some(&line.transaction), line.original.as_ref()];
    bounds::LINE_BYTES + texts.into_iter().flatten().map(|text| text.len()).sum::<usize>()
}

fn show(key: &RoundKey, round: &Round) -> RoundView {
    RoundView {
        platform: key.platform,
        id: key.round.clone(),
        game: Some(round.game.clone()),
        staked: amount(round.staked),
        returned: amount(round.returned),
        orphan: round.orphan,
        last_ms: round.last_ms,
    }
}
