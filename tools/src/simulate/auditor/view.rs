//! What the operator is shown of an account (protocol §6).

use compact_str::CompactString;
use purser::limits;
use purser::wallet::outcome::{AccountView, Outcome, RoundView, SessionView, Statement, StatementLine};

use super::account::{Account, Ask, Round, RoundState};
use super::rules::{Answer, amount};

impl Account {
    pub(super) fn view(&self, ask: &Ask<'_>) -> Answer {
        let live = self.sessions.iter().filter(|session| session.is_live(ask.now_ms, ask.rules));
        let sessions = live.map(|session| SessionView {
            key: session.key.as_str().into(),
            started_ms: session.started_ms,
            used_ms: session.used_ms(),
        });
        let mut open: Vec<(&String, &Round)> =
            self.rounds.iter().filter(|(_, round)| round.state == RoundState::Open).collect();
        open.sort_by_key(|(_, round)| round.opened_by);
        let open_rounds_count = open.len();
        // The protocol does not say how old a round is that was a cancelled bet first.
        let order_is_told = open_rounds_count <= limits::OPEN_ROUNDS_SHOWN_MAX
            && open.iter().any(|(_, round)| round.was_unopened);
        let mut open_rounds: Vec<RoundView> =
            open.into_iter().take(limits::OPEN_ROUNDS_SHOWN_MAX).map(|(id, round)| show(id, round)).collect();
        if let (true, Some(Outcome::Account(told))) = (order_is_told, ask.told) {
            let place = |view: &RoundView| told.open_rounds.iter().position(|round| round.id == view.id);
            open_rounds.sort_by_key(place);
        }
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

    pub(super) fn statement(&self, ask: &Ask<'_>, after: u32, limit: u16) -> Answer {
        let told: &[StatementLine] = match ask.told {
            Some(Outcome::Statement(told)) => &told.lines,
            _ => &[],
        };
        let mut lines = self.lines(after, told);
        let more = lines.len() > usize::from(limit);
        lines.truncate(usize::from(limit));
        Outcome::Statement(Box::new(Statement { currency: self.currency, lines, more }))
    }

    /// All transactions after this number, oldest first, to be held against the lines that were told.
    pub(super) fn lines(&self, after: u32, told: &[StatementLine]) -> Vec<StatementLine> {
        let remembered = self.transactions.range(after.saturating_add(1)..);
        let lines = remembered.enumerate().map(|(at, (number, transaction))| {
            // Whether what moves an amount of zero moves nothing is a matter of words.
            let words = told.get(at).filter(|_| transaction.amount == 0);
            StatementLine {
                number: *number,
                kind: transaction.kind.line(),
                round: transaction.round.as_deref().map(CompactString::from),
                transaction: transaction.id.as_str().into(),
                amount: amount(transaction.amount),
                moved_nothing: words.map_or(transaction.moved_nothing, |line| line.moved_nothing),
                rolled_back: transaction.rolled_back,
                balance_after: amount(transaction.balance_after),
                at_ms: transaction.at_ms,
            }
        });
        lines.collect()
    }
}

fn show(id: &str, round: &Round) -> RoundView {
    RoundView {
        id: id.into(),
        staked: amount(round.staked),
        returned: amount(round.returned),
        orphan: round.orphan,
        last_ms: round.last_ms,
    }
}
