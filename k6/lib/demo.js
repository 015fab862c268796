// The virtual user as the server's demo data has it: an account, a session, and a first token.

import exec from 'k6/execution';
import { createToken, sessionToken } from './wallet.js';

export function demoAccount(vu) {
  return `default/player-${padded(vu)}`;
}

export function demoSession(vu) {
  return `demo-${padded(vu)}`;
}

function padded(vu) {
  return String(vu).padStart(6, '0');
}

/**
 * The token that a virtual user redeems in its first iteration. k6 forbids requests in the init stage, so it is
 * minted ahead of that iteration's groups. It has no tag, to stay out of the request types. Without it the user
 * can't play at all: that is a fault of the set-up and not a measurement, so the run ends.
 */
export function firstToken(account) {
  const response = createToken(account);
  const minted = sessionToken(response);
  if (!minted) {
    exec.test.abort(`no first token for ${account}: ${answerOf(response)}. Does the server run with --demo, and `
      + 'with at least VUS demo accounts?');
  }
  return minted;
}

function answerOf(response) {
  return response.body === null ? `no answer (${response.error})` : `HTTP ${response.status} ${response.body}`;
}
