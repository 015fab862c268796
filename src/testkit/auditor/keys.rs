//! What is answered of a session's key: the one thing that an answer knows of another account.

use wallet::operation::{self, Operation};
use wallet::outcome::ErrorCode;

use super::account::Foreign;
use super::recovery::Entry;
use super::rules::{Answer, refused};
use super::{Auditor, Request, RequestId};

impl Auditor {
    pub(super) fn demand_wrapped(&mut self, id: RequestId, now_ms: u64, key: &str, told: &Answer) -> Answer {
        let unknown = refused(ErrorCode::SessionNotFound);
        let sent_event = self.requests[&id].sent_event;
        let holds = |account: &&str| {
            let session = self.tip(account).and_then(|tip| tip.session(key));
            session.is_some_and(|session| !session.is_past(now_ms, &self.rules))
        };
        let holders: Vec<&str> = self.directory.accounts(key).filter(holds).collect();
        let busy = self.directory.accounts(key).any(|a| self.directory.touched_since(key, a, sent_event));
        if busy && *told == unknown {
            return unknown;
        }
        // Of several, all but one have expired long ago.
        let live = |account: &&&str| self.is_live(account, key, now_ms);
        match holders.iter().find(live).or(holders.first()).map(|account| (*account).to_owned()) {
            None => unknown,
            Some(account) => self.apply(id, now_ms, &account, Foreign::No, Some(told)),
        }
    }

    fn is_live(&self, account: &str, key: &str, now_ms: u64) -> bool {
        let session = self.tip(account).and_then(|tip| tip.session(key));
        session.is_some_and(|session| session.is_live(now_ms, &self.rules))
    }

    /// The answer to a request shows that another account holds this key: which login does it come of?
    pub(super) fn shows(&mut self, id: RequestId, account: &str, key: &str) {
        let mut holders = self.directory.accounts(key).filter(|other| {
            *other != account && self.tip(other).is_some_and(|tip| tip.session(key).is_some())
        });
        // Where there may be several, which of them it was is not known.
        let (Some(holder), None) = (holders.next(), holders.next()) else { return };
        let is_login = |entry: &&Entry| match &*entry.operation {
            Operation::OpenSession(operation::OpenSession { key: by, .. }) => by == key,
            _ => false,
        };
        let login = self.ledgers[holder].log.iter().rfind(is_login).map(|entry| entry.request);
        let shows = login.map(|login| (holder.to_owned(), login));
        self.requests.get_mut(&id).expect("it is under way").shows = shows;
    }

    /// Whether another account holds a session's key, since a request went out.
    pub(super) fn taken(&self, id: RequestId, now_ms: u64, account: &str, key: &str) -> Foreign {
        let sent_event = self.requests[&id].sent_event;
        let mut taken = Foreign::No;
        for other in self.directory.accounts(key).filter(|other| *other != account) {
            let busy = self.directory.touched_since(key, other, sent_event);
            let session = self.tip(other).and_then(|tip| tip.session(key));
            match session.filter(|session| !session.is_past(now_ms, &self.rules)) {
                Some(_) if !busy => return Foreign::Surely,
                None if !busy => {}
                _ => taken = Foreign::Maybe,
            }
        }
        taken
    }

    /// Whether a session that a win names is live at another account, since the request went out.
    pub(super) fn live_elsewhere(&self, id: RequestId, now_ms: u64, account: &str, key: &str) -> Foreign {
        let Request { sent_ms, sent_event, .. } = self.requests[&id];
        let own = self.tip(account).and_then(|tip| tip.session(key));
        let mut foreign = Foreign::No;
        for other in self.directory.accounts(key).filter(|other| *other != account) {
            let busy = self.directory.touched_since(key, other, sent_event);
            let live = [sent_ms, now_ms].map(|at_ms| self.is_live(other, key, at_ms));
            if live == [true, true] && !busy && own.is_none_or(|own| own.is_past(now_ms, &self.rules)) {
                return Foreign::Surely;
            }
            if busy || live.contains(&true) {
                foreign = Foreign::Maybe;
            }
        }
        match own {
            Some(session) if !session.is_past(now_ms, &self.rules) => Foreign::No,
            _ => foreign,
        }
    }
}
