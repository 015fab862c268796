//! The front of the auditor for clients over HTTP, who know when they asked and were answered, and of what was not answered
//! nothing at all. So an account may be one of several, until an answer tells which; one that none of them gives is wrong.

use std::collections::BTreeMap;
use std::iter::{repeat_n, zip};
use std::sync::Arc;

use compact_str::CompactString;
use wallet::operation::{Operation, RedeemToken};
use wallet::token::TokenId;

use super::account::{Account, Ask, Foreign, apply};
use super::rules::Rules;
use super::wire::is_told;
use crate::client::Answer;
use crate::workload::Request;

/// How far the clocks of a client and of its server may be apart, milliseconds.
const SKEW_MS: u64 = 1_000;

/// So many sessions that were used at about one time are told apart later.
const TIES: usize = 3;

/// States that an account may be in: those of a few logins, one after another, whose order of use is not known.
const STATES_MAX: usize = 64;

/// Judges what a client is told of its accounts, which nobody else changes and whose session keys nobody else has.
#[derive(Clone, Debug)]
pub struct Witness {
    rules: Rules,
    /// What each account may be.
    accounts: BTreeMap<String, Vec<Option<Account>>>,
    /// Random bits of session tokens that were told, by those of their requests.
    tokens: BTreeMap<u128, u128>,
    /// What was done is known to have been done within so many milliseconds.
    blur_ms: u64,
}

impl Witness {
    /// Of a server without accounts.
    pub const fn new(rules: Rules) -> Self {
        Self { rules, accounts: BTreeMap::new(), tokens: BTreeMap::new(), blur_ms: SKEW_MS }
    }

    /// The request as it is to be sent: with the token that was told, where it redeems one.
    pub fn asks(&self, request: Request) -> Request {
        match *request {
            Operation::RedeemToken(RedeemToken { platform, token }) => {
                let random = self.tokens.get(&token.random()).copied().unwrap_or(token.random());
                let token = TokenId::new(token.slot(), random);
                Arc::new(Operation::RedeemToken(RedeemToken { platform, token }))
            }
            _ => request,
        }
    }

    /// An answer to a request about an account, in the order in which an account's requests were sent.
    ///
    /// # Errors
    /// A sentence, where the protocol demands another answer.
    pub fn answered(
        &mut self,
        account: &str,
        mut request: Request,
        [asked_ms, answered_ms]: [u64; 2],
        told: &Answer,
    ) -> Result<(), String> {
        if let Operation::CreateToken(of) = Arc::make_mut(&mut request)
            && let Some(token) = told.body.split('"').find_map(TokenId::parse)
        {
            self.tokens.insert(std::mem::replace(&mut of.entropy, token.random()), token.random());
        }
        self.blur_ms = self.blur_ms.max(answered_ms.saturating_sub(asked_ms));
        let (from_ms, until_ms) = (asked_ms - self.blur_ms, answered_ms + self.blur_ms);
        let may_be = self.accounts.entry(account.to_owned()).or_insert_with(|| vec![None]);
        let is_steady = may_be.iter().flatten().all(|is| is.is_steady(&self.rules, from_ms, until_ms));
        let times = [answered_ms, from_ms, until_ms];
        let times = &times[..if is_steady { 1 } else { 3 }];
        let mut tied = Vec::new();
        if matches!(*request, Operation::OpenSession(_)) {
            // Which of several sessions made way is seen later.
            for (place, state) in (1..=TIES).flat_map(|place| may_be.iter().map(move |state| (place, state)))
            {
                let mut state = state.clone();
                apply(&mut state, &Ask { tied: place, ..ask(&self.rules, answered_ms, &request) });
                tied.push(state);
            }
        }
        let mut demanded = Vec::new();
        let mut judge = |(mut state, now_ms): (_, &u64)| {
            demanded.push(apply(&mut state, &ask(&self.rules, *now_ms, &request)));
            is_told(told, demanded.last()?).then_some(state)
        };
        for state in std::mem::take(may_be) {
            // Of several times that explain the answer the first counts: what is asked next is judged at several, too.
            may_be.extend(zip(repeat_n(state, times.len()), times).find_map(&mut judge));
        }
        if !may_be.is_empty() {
            for state in tied {
                if may_be.len() < STATES_MAX && !may_be.contains(&state) {
                    may_be.push(state);
                }
            }
            return Ok(());
        }
        Err(format!(
            "{account}, from {asked_ms} to {answered_ms}: {request:?}\n  was answered {} {}\n  and should be {demanded:?}",
            told.status, told.body
        ))
    }

    /// The server was killed and has started again. These requests about an account were sent before, one after another on one
    /// connection, and not answered: the first so many of them were applied, or none. A session's renewal may be lost; where
    /// there are too many that may be, it is taken to be there, so none is to expire soon after.
    pub fn restarted(&mut self, account: &str, unanswered: &[Request], [sent_ms, now_ms]: [u64; 2]) {
        let may_be = self.accounts.entry(account.to_owned()).or_insert_with(|| vec![None]);
        let mut states = may_be.clone();
        for request in unanswered {
            for state in &mut states {
                apply(state, &ask(&self.rules, sent_ms, request));
                if !may_be.contains(state) {
                    may_be.push(state.clone());
                }
            }
        }
        for state in may_be.clone() {
            let lost = state.iter().flat_map(|account| account.with_lost_renewals(now_ms, STATES_MAX));
            // The first has lost none, and is there.
            for state in lost.skip(1).map(Some) {
                if may_be.len() < STATES_MAX && !may_be.contains(&state) {
                    may_be.push(state);
                }
            }
        }
        let times = self.rules.times;
        may_be.iter_mut().flatten().for_each(|account| account.restart(now_ms, times, times));
    }

    /// All that was not answered was asked again by now, and answered. Whether it was done then or when it was first sent, an
    /// account is the same but for its times.
    pub fn settled(&mut self, [sent_ms, now_ms]: [u64; 2]) {
        self.blur_ms = self.blur_ms.max(now_ms - sent_ms);
    }
}

const fn ask<'a>(rules: &'a Rules, now_ms: u64, operation: &'a Operation<CompactString>) -> Ask<'a> {
    Ask { rules, now_ms, event: 0, sent_event: 0, foreign: Foreign::No, operation, told: None, tied: 0 }
}
