// The wallet's calls as a platform makes them: one POST each, with the envelope of the protocol.

import http from 'k6/http';
import { b64encode } from 'k6/encoding';

const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:9816').replace(/\/+$/, '');

// The platform, the game and the currency of the server's demo data.
const PLATFORM_KEY = 'L100';
const GAME_ID = '11588';
const CURRENCY = 'GBP';
const HEADERS = { Authorization: `Basic ${b64encode('admin:admin')}`, 'Content-Type': 'application/json' };

// k6 gives every virtual user a module instance of its own, so the count is the user's, and `__VU` tells the
// users apart. The start time tells one run from the next: for whoever reads the server's records, and for the
// server itself, to which a known id of a transaction is a repeat.
const startedAt = Date.now().toString(16);
let attempts = 0;

function envelope() {
  attempts += 1;
  return {
    PlatformKey: PLATFORM_KEY,
    Sequence: `${startedAt}-${__VU}-${attempts}`,
    Timestamp: new Date().toISOString(),
  };
}

function post(path, members, tags) {
  const body = JSON.stringify(Object.assign(envelope(), members));
  return http.post(BASE_URL + path, body, { headers: HEADERS, tags });
}

/** Asks for the account's balance. */
export function balance(account, tags = {}) {
  return post('/v1.0/balance', { OperatorAccountID: account, GameID: GAME_ID }, tags);
}

/** Hands in a session token, as the game does when the player's browser has opened it. */
export function redeemToken(token, tags = {}) {
  return post('/v1.0/session/redeemtoken', { SessionToken: token, IPAddress: '127.0.0.1' }, tags);
}

/** Asks for a new session token of the account's live session. */
export function createToken(account, tags = {}) {
  return post('/v1.0/session/createtoken', { OperatorAccountID: account, GameID: GAME_ID }, tags);
}

/**
 * What the ids of an iteration's rounds and transactions begin with. No two runs, virtual users or iterations share
 * it. `iteration` is k6's `__ITER`, the virtual user's own count.
 */
export function idPrefix(vu, iteration) {
  return `${startedAt}-${String(vu).padStart(6, '0')}-${String(iteration).padStart(12, '0')}`;
}

/** Debits a stake. `round` is `{ player, id }` here and below, and an amount is in the currency's major unit. */
export function placeBet(round, transaction, amount, starts, tags = {}) {
  const members = { ...transactionMembers(round, transaction, amount), StartRound: starts, EndRound: false };
  return post('/v1.0/gameround/placebet', members, tags);
}

/** Credits winnings. */
export function awardWinnings(round, transaction, amount, tags = {}) {
  const members = { ...transactionMembers(round, transaction, amount), StartRound: false, EndRound: false };
  return post('/v1.0/gameround/awardwinnings', members, tags);
}

/** Takes the bet with the transaction id `bet` back; `amount` is its stake. */
export function rollbackBet(round, transaction, bet, amount, tags = {}) {
  const members = {
    ...transactionMembers(round, transaction, amount),
    OriginalBetGameRoundTransactionID: bet,
    EndRound: false,
  };
  return post('/v1.0/gameround/rollbackbet', members, tags);
}

/** Gives stake back to a round. */
export function voidBet(round, transaction, amount, tags = {}) {
  const members = { ...transactionMembers(round, transaction, amount), EndRound: false };
  return post('/v1.0/gameround/voidbet', members, tags);
}

/** Ends a round. */
export function endRound(round, tags = {}) {
  return post('/v1.0/gameround/end', { ...roundMembers(round), CurrencyCode: CURRENCY }, tags);
}

/** Pays outside rounds. */
export function credit({ account }, transaction, amount, tags = {}) {
  const members = {
    OperatorAccountID: account,
    AccountTransactionID: transaction,
    AccountTransactionTypeID: '827',
    CurrencyCode: CURRENCY,
    Amount: amount,
  };
  return post('/v1.0/accounttransaction/credit', members, tags);
}

/** Tells of a player who has seen a reality check and plays on. */
export function alert({ account, session }, action, tags = {}) {
  const members = {
    GatewaySessionToken: session,
    OperatorAccountID: account,
    Source: 'Gameflex',
    AlertActionID: action,
    OperatorAlertActionReference: '1',
    OperatorAlertReference: '1',
    GamingRegulatorCode: 'UKGC',
    Type: 'RealityCheck',
    Method: 'Continue',
    Data: '60',
  };
  return post('/v1.0/alertwalletcallbacknotification', members, tags);
}

function roundMembers({ player, id }) {
  return {
    GatewaySessionToken: player.session,
    OperatorAccountID: player.account,
    GameRoundID: id,
    GameID: GAME_ID,
  };
}

function transactionMembers(round, transaction, amount) {
  return {
    ...roundMembers(round),
    GameRoundTransactionID: transaction,
    CurrencyCode: CURRENCY,
    Amount: amount,
  };
}

/** The answer's `ErrorCode`; undefined where there is no answer, or none in JSON. */
export function errorCode(response) {
  return member(response, 'ErrorCode');
}

/** The token in an answer to `createToken`; undefined where it has none. */
export function sessionToken(response) {
  return member(response, 'Result.SessionToken');
}

/** The cash in an answer; undefined where it has none. */
export function cashFunds(response) {
  return member(response, 'Balance.CashFunds');
}

// A request that got no answer has a null body, on which `json` throws: the iteration would be cut short, and
// the failed check would never be counted.
function member(response, selector) {
  return response.body === null ? undefined : response.json(selector);
}
