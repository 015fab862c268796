//! A step's request as bytes (protocol §1, §3, §4).
//!
//! A request is composed once. What differs from one attempt to the next has a fixed width and a known place, so
//! that the next attempt costs a few short copies into bytes that are there already. They are laid out as the
//! scripts in `k6/` send them.

use std::ops::Range;

use super::clock::{TIMESTAMP_BYTES, Timestamp, put_digits};
use super::scenario::{
    ACCOUNT_PREFIX, Play, SESSION_PREFIX, Site, Step, UserIdentity, account_digits, session,
};

/// Digits of the count in a `Sequence`: a microsecond per request, for eleven days.
const COUNT_DIGITS: usize = 12;

/// Digits of the count of iterations in the ids of rounds and transactions. No user plays more iterations than it
/// sends requests.
pub(crate) const ITERATION_DIGITS: usize = COUNT_DIGITS;

/// Hexadecimal digits of a time in a token: those of milliseconds since 1970 from 2004 to 2527.
const MINTED_DIGITS: usize = 11;

/// Ids in a request: a round, a transaction, and the bet that it takes back.
const IDS_MAX: usize = 3;

/// The currency of the demo accounts (protocol §7); amounts have its two digits.
const CURRENCY: &str = "GBP";

/// The bytes of a request, ready for the next attempt.
#[derive(Debug)]
pub(crate) struct Request {
    /// Empty while the ring has them.
    bytes: Vec<u8>,
    places: Places,
}

/// Where the parts are that change. Empty where the request has none.
#[derive(Debug, Default)]
struct Places {
    count: Range<usize>,
    timestamp: Range<usize>,
    token: Range<usize>,
    /// The time in a token that the virtual user mints.
    minted: Range<usize>,
    /// The account's number with the quote that ends its text, and its session key's.
    account: Range<usize>,
    session: Range<usize>,
    /// The iteration, in each of the ids.
    iterations: [Range<usize>; IDS_MAX],
}

impl Request {
    /// Composes a request. `token` is for `RedeemToken`, and unused elsewhere.
    pub(crate) fn compose(step: Step, site: &Site, player: UserIdentity, token: &[u8]) -> Self {
        let mut body = Body::begin(site, player);
        body.put_step(step, token);
        let Body { bytes: body, mut places, .. } = body;
        let mut bytes = Vec::with_capacity(1_024);
        put(&mut bytes, &["POST ", step.kind().path(), " HTTP/1.1\r\nHost: ", &site.host]);
        put(&mut bytes, &["\r\nAuthorization: ", &site.authorization, "\r\nContent-Type: application/json"]);
        if let Some(ms) = site.request_timeout_ms {
            put(&mut bytes, &["\r\nRequest-Timeout: ", &ms.to_string()]);
        }
        put(&mut bytes, &["\r\nContent-Length: ", &body.len().to_string(), "\r\n\r\n"]);
        let head = bytes.len();
        let shift = |place: &mut Range<usize>| *place = place.start + head..place.end + head;
        [&mut places.count, &mut places.timestamp, &mut places.token].into_iter().for_each(shift);
        [&mut places.account, &mut places.session, &mut places.minted].into_iter().for_each(shift);
        places.iterations.iter_mut().for_each(shift);
        bytes.extend_from_slice(&body);
        Self { bytes, places }
    }

    /// The bytes for the attempt with this count in this iteration.
    pub(crate) fn write(
        &mut self,
        attempt: u64,
        iteration: &[u8; ITERATION_DIGITS],
        timestamp: &Timestamp,
    ) -> &[u8] {
        let Self { bytes, places } = self;
        put_digits(&mut bytes[places.count.clone()], attempt);
        bytes[places.timestamp.clone()].copy_from_slice(timestamp.text());
        put_hex(&mut bytes[places.minted.clone()], timestamp.unix_ms());
        for place in places.iterations.iter().filter(|place| !place.is_empty()) {
            bytes[place.clone()].copy_from_slice(iteration);
        }
        bytes
    }

    /// The same for the ring to have; they must come back by [`Request::give_back`].
    pub(crate) fn take(
        &mut self,
        attempt: u64,
        iteration: &[u8; ITERATION_DIGITS],
        timestamp: &Timestamp,
    ) -> Vec<u8> {
        self.write(attempt, iteration, timestamp);
        std::mem::take(&mut self.bytes)
    }

    /// Makes it a request for the account with this number, one that its player was said to play.
    pub(crate) fn put_account(&mut self, number: u32) {
        for place in [&self.places.account, &self.places.session] {
            if !place.is_empty() {
                put_account(&mut self.bytes[place.clone()], number);
            }
        }
    }

    /// Takes the bytes back once they are sent.
    pub(crate) fn give_back(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.bytes.is_empty() && self.places.timestamp.end <= bytes.len());
        self.bytes = bytes;
    }

    /// Puts another token in, where it has the length of the last one; else the request must be composed anew.
    #[must_use]
    pub(crate) fn put_token(&mut self, token: &[u8]) -> bool {
        let fits = token.len() == self.places.token.len();
        if fits {
            self.bytes[self.places.token.clone()].copy_from_slice(token);
        }
        fits
    }
}

/// A request's body as it is composed.
struct Body<'a> {
    site: &'a Site,
    player: UserIdentity,
    bytes: Vec<u8>,
    places: Places,
    /// What stands before the count of iterations in each id: with it no two runs, users or iterations share one.
    id_prefix: String,
    ids: usize,
}

impl<'a> Body<'a> {
    /// The envelope.
    fn begin(site: &'a Site, player: UserIdentity) -> Self {
        let id_prefix = format!("{:x}-{:06}-", site.run, player.number);
        let mut bytes = Vec::with_capacity(512);
        let mut places = Places::default();
        put(&mut bytes, &["{\"PlatformKey\":\"", &site.platform, "\",\"Sequence\":\"", &id_prefix]);
        places.count = room(&mut bytes, COUNT_DIGITS);
        put(&mut bytes, &["\",\"Timestamp\":\""]);
        places.timestamp = room(&mut bytes, TIMESTAMP_BYTES);
        put(&mut bytes, &["\""]);
        Self { site, player, bytes, places, id_prefix, ids: 0 }
    }

    /// The members of a step, and the end of the body.
    fn put_step(&mut self, step: Step, token: &[u8]) {
        match step {
            Step::Balance | Step::CreateToken => {
                self.put_account();
                self.put_game();
            }
            Step::RedeemToken => {
                self.put_token(token);
                self.put_text("IPAddress", "127.0.0.1");
            }
            Step::RedeemMinted => {
                put(&mut self.bytes, &[",\"SessionToken\":\"", &session(self.player.account), "-"]);
                self.places.minted = room(&mut self.bytes, MINTED_DIGITS);
                put(&mut self.bytes, &["\""]);
                self.put_text("IPAddress", "127.0.0.1");
            }
            Step::PlaceBet { play, starts, ends } => {
                self.put_play(play);
                self.put_flag("StartRound", starts);
                self.put_flag("EndRound", ends);
            }
            Step::AwardWinnings(play) => {
                self.put_play(play);
                self.put_flag("StartRound", false);
                self.put_flag("EndRound", false);
            }
            Step::RollbackBet { play, bet } => {
                self.put_play(play);
                self.put_id("OriginalBetGameRoundTransactionID", bet);
                self.put_flag("EndRound", false);
            }
            Step::VoidBet(play) => {
                self.put_play(play);
                self.put_flag("EndRound", false);
            }
            Step::End { round } => {
                self.put_round(round);
                self.put_text("CurrencyCode", CURRENCY);
            }
            Step::Credit { transaction, amount_minor } => {
                self.put_account();
                self.put_id("AccountTransactionID", transaction);
                // Any type but 811, which the wallet does not take (protocol §4).
                self.put_text("AccountTransactionTypeID", "827");
                self.put_amount(amount_minor);
            }
            Step::Alert { action } => {
                self.put_session();
                self.put_account();
                self.put_alert(action);
            }
        }
        put(&mut self.bytes, &["}"]);
    }

    fn put_account(&mut self) {
        self.places.account = self.put_number("OperatorAccountID", ACCOUNT_PREFIX);
    }

    fn put_session(&mut self) {
        self.places.session = self.put_number("GatewaySessionToken", SESSION_PREFIX);
    }

    /// A text that ends in the account's number, with room for the longest.
    fn put_number(&mut self, name: &str, prefix: &str) -> Range<usize> {
        put(&mut self.bytes, &[",\"", name, "\":\"", prefix]);
        let place = room(&mut self.bytes, account_digits(self.player.accounts) + 1);
        put_account(&mut self.bytes[place.clone()], self.player.account);
        place
    }

    fn put_game(&mut self) {
        self.put_text("GameID", &self.site.game);
    }

    fn put_round(&mut self, round: &str) {
        self.put_session();
        self.put_account();
        self.put_id("GameRoundID", round);
        self.put_game();
    }

    fn put_play(&mut self, play: Play) {
        self.put_round(play.round);
        self.put_id("GameRoundTransactionID", play.transaction);
        self.put_amount(play.amount_minor);
    }

    fn put_alert(&mut self, action: &str) {
        self.put_text("Source", "Gameflex");
        self.put_id("AlertActionID", action);
        self.put_text("OperatorAlertActionReference", "1");
        self.put_text("OperatorAlertReference", "1");
        self.put_text("GamingRegulatorCode", "UKGC");
        self.put_text("Type", "RealityCheck");
        self.put_text("Method", "Continue");
        self.put_text("Data", "60");
    }

    fn put_text(&mut self, name: &str, value: &str) {
        put(&mut self.bytes, &[",\"", name, "\":\"", value, "\""]);
    }

    fn put_flag(&mut self, name: &str, value: bool) {
        put(&mut self.bytes, &[",\"", name, "\":", if value { "true" } else { "false" }]);
    }

    fn put_amount(&mut self, amount_minor: u32) {
        self.put_text("CurrencyCode", CURRENCY);
        put(&mut self.bytes, &[&format!(",\"Amount\":{}.{:02}", amount_minor / 100, amount_minor % 100)]);
    }

    /// The id of a round or transaction: run, virtual user, iteration, and its name within the iteration.
    fn put_id(&mut self, name: &str, within: &str) {
        put(&mut self.bytes, &[",\"", name, "\":\"", &self.id_prefix]);
        self.places.iterations[self.ids] = room(&mut self.bytes, ITERATION_DIGITS);
        self.ids += 1;
        put(&mut self.bytes, &["-", within, "\""]);
    }

    fn put_token(&mut self, token: &[u8]) {
        put(&mut self.bytes, &[",\"SessionToken\":\""]);
        self.places.token = room(&mut self.bytes, token.len());
        self.bytes[self.places.token.clone()].copy_from_slice(token);
        put(&mut self.bytes, &["\""]);
    }
}

/// Writes an account's number, and the quote that ends the text. A number with fewer digits than there is room for has
/// spaces after the quote, which mean nothing in JSON: so the request keeps its length.
fn put_account(room: &mut [u8], number: u32) {
    let (digits, rest) = room.split_at_mut(account_digits(number));
    put_digits(digits, number.into());
    rest[0] = b'"';
    rest[1..].fill(b' ');
}

/// Writes `number` in lower-case hexadecimal over all of `room`, with leading zeros; nothing where there is no room.
fn put_hex(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}

fn put(bytes: &mut Vec<u8>, texts: &[&str]) {
    texts.iter().for_each(|text| bytes.extend_from_slice(text.as_bytes()));
}

fn room(bytes: &mut Vec<u8>, length: usize) -> Range<usize> {
    let start = bytes.len();
    bytes.resize(start + length, b'0');
    start..bytes.len()
}

#[cfg(test)]
mod tests;
