//! Which account holds a session's key: the one thing that an answer depends on beside its own account.
//!
//! A login, a logout and a win with a foreign session look at a key in one place and at an account in another, and
//! requests of other accounts go on in between. So where another account has done something with a key while a
//! request was under way, both answers are right.

use std::collections::BTreeMap;

use compact_str::CompactString;
use wallet::account::AccountHash;
use wallet::operation::{self, Operation};

/// An event that is still under way.
const UNDER_WAY: u64 = u64::MAX;

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    /// By key, and then by account: when it last logged in or out by this key, or used it.
    busy: BTreeMap<String, BTreeMap<String, Busy>>,
    /// By key, and then by account: sessions that were begun by it and whose claim was not seen to go.
    held: BTreeMap<String, BTreeMap<String, u32>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    under_way: u32,
    last_event: u64,
}

impl Directory {
    /// A login or logout goes out.
    pub(super) fn begin(&mut self, operation: &Operation<CompactString>) {
        if let Some((key, account)) = key_of(operation) {
            self.busy(key, account).under_way += 1;
        }
    }

    /// It has been answered.
    pub(super) fn end(&mut self, operation: &Operation<CompactString>, event: u64) {
        if let Some((key, account)) = key_of(operation) {
            let busy = self.busy(key, account);
            busy.under_way -= 1;
            busy.last_event = event;
        }
    }

    /// The account has used its session.
    pub(super) fn used(&mut self, key: &str, account: &str, event: u64) {
        self.busy(key, account).last_event = event;
    }

    /// A session of the account has started by this key, where there was none.
    pub(super) fn hold(&mut self, key: &str, account: &str) {
        *self.held.entry(key.to_owned()).or_default().entry(account.to_owned()).or_default() += 1;
    }

    /// A claim of the account's is gone.
    pub(super) fn let_go(&mut self, key: &str, account: AccountHash, event: u64) {
        let Some(accounts) = self.held.get_mut(key) else { return };
        let holder = accounts.iter_mut().find(|(held, _)| AccountHash::of(held.as_str()) == account);
        let Some((holder, claims)) = holder else { return };
        *claims -= 1;
        let (holder, over) = (holder.clone(), *claims == 0);
        if over {
            accounts.remove(&holder);
        }
        self.used(key, &holder, event);
    }

    /// Whether another account's claim of the key may still be there, though its session is over.
    pub(super) fn lingers(&self, key: &str, account: &str) -> bool {
        self.held.get(key).is_some_and(|accounts| accounts.keys().any(|held| held != account))
    }

    /// Nothing is under way any more, and who holds what is to be seen.
    pub(super) fn crashed(&mut self, event: u64) {
        self.held.clear();
        for busy in self.busy.values_mut().flat_map(BTreeMap::values_mut) {
            if busy.under_way > 0 {
                *busy = Busy { under_way: 0, last_event: event };
            }
        }
    }

    /// Whether the account has done something with the key since an event.
    pub(super) fn touched_since(&self, key: &str, account: &str, event: u64) -> bool {
        let busy = self.busy.get(key).and_then(|accounts| accounts.get(account));
        busy.is_some_and(|busy| if busy.under_way > 0 { UNDER_WAY } else { busy.last_event } > event)
    }

    /// Accounts that have ever done something with the key.
    pub(super) fn accounts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.busy.get(key).into_iter().flat_map(|accounts| accounts.keys().map(String::as_str))
    }

    fn busy(&mut self, key: &str, account: &str) -> &mut Busy {
        self.busy.entry(key.to_owned()).or_default().entry(account.to_owned()).or_default()
    }
}

/// The key and the account of a login or logout.
fn key_of(operation: &Operation<CompactString>) -> Option<(&str, &str)> {
    match operation {
        Operation::OpenSession(operation::OpenSession { account, key })
        | Operation::CloseSession(operation::CloseSession { account, key }) => {
            Some((key.as_str(), account.id()))
        }
        _ => None,
    }
}
