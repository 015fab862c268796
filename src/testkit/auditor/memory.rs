//! What is refused where memory is short, and what is not (docs/operations.md, Memory is short).

use compact_str::CompactString;
use wallet::operation::{Operation, Play, PlayKind};

use super::Auditor;
use super::account::{Account, Ask, Foreign, Round, RoundState};
use super::rules::Rules;

impl Auditor {
    /// Whether a request begins nothing that is remembered, by what is known of its account now: reads, repeats, what settles a
    /// round that is there, and what protects a player are not refused where memory is short (docs/operations.md). `false` of
    /// what may begin something.
    pub fn begins_nothing(&self, now_ms: u64, operation: &Operation<CompactString>) -> bool {
        let tip = operation.account_id().and_then(|account| self.tip(account));
        match operation {
            Operation::Play(play) => {
                tip.is_some_and(|account| account.is_settled_by(now_ms, &self.rules, operation, play))
            }
            Operation::PutAccount(_) => tip.is_some(),
            Operation::Credit(_)
            | Operation::Transfer(_)
            | Operation::Alert(_)
            | Operation::CreateToken(_)
            | Operation::OpenSession(_) => false,
            _ => true,
        }
    }
}

impl Account {
    /// Whether the round of a call is there, and the call settles it, or was done before.
    fn is_settled_by(
        &self,
        now_ms: u64,
        rules: &Rules,
        operation: &Operation<CompactString>,
        play: &Play<CompactString>,
    ) -> bool {
        let (event, told, foreign) = (0, None, Foreign::No);
        let ask = Ask { rules, now_ms, event, sent_event: event, foreign, operation, told, tied: 0 };
        let is_over =
            |round: &Round| round.state != RoundState::Open && rules.times.has_passed(round.last_ms, now_ms);
        let round = self.opened(&ask, play).filter(|round| !is_over(round));
        match play.kind {
            PlayKind::Bet => {
                let key = (play.kind, play.transaction.clone());
                round.is_some_and(|round| round.known.contains_key(&key))
            }
            PlayKind::Win | PlayKind::Rollback => round.is_some(),
            PlayKind::Void => true,
        }
    }
}
