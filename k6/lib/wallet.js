// The wallet's three calls as a platform makes them: one POST each, with the envelope of the protocol.

import http from 'k6/http';
import { b64encode } from 'k6/encoding';

const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:9816').replace(/\/+$/, '');

// The platform and the game of the server's demo data.
const PLATFORM_KEY = 'L100';
const GAME_ID = '11588';
const HEADERS = { Authorization: `Basic ${b64encode('admin:admin')}`, 'Content-Type': 'application/json' };

// k6 gives every virtual user a module instance of its own, so the count is the user's, and `__VU` tells the
// users apart. The start time tells one run from the next, for whoever reads the server's records.
const startedAt = Date.now().toString(36);
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

/** The answer's `ErrorCode`; undefined where there is no answer, or none in JSON. */
export function errorCode(response) {
  return member(response, 'ErrorCode');
}

/** The token in an answer to `createToken`; undefined where it has none. */
export function sessionToken(response) {
  return member(response, 'Result.SessionToken');
}

// A request that got no answer has a null body, on which `json` throws: the iteration would be cut short, and
// the failed check would never be counted.
function member(response, selector) {
  return response.body === null ? undefined : response.json(selector);
}
