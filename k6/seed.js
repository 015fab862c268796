// The seed scenario: every virtual user plays a demo account of its own, and redeems the token that its last
// createToken returned. README.md tells how to run it.

import exec from 'k6/execution';
import { loadOptions } from './lib/options.js';
import { playIteration } from './lib/scenario.js';
import { createToken, sessionToken } from './lib/wallet.js';

export const options = loadOptions();

// The virtual user's own, since k6 gives each its own instance of this module. Undefined until first minted.
let token;

export default function () {
  const account = demoAccount(__VU);
  if (token === undefined) {
    token = firstToken(account);
  }
  const created = playIteration(account, () => token);
  // Where createToken failed, the next redeemToken fails with it. A new token behind the report's back would
  // hide that, and so would redeeming the old one again.
  token = sessionToken(created) || '';
}

function demoAccount(vu) {
  return `default/player-${String(vu).padStart(6, '0')}`;
}

// k6 forbids requests in the init stage, so the first token is minted ahead of the first iteration's groups. It
// has no tag, to stay out of the three request types. Without it the user can't play at all: that is a fault of
// the set-up and not a measurement, so the run ends.
function firstToken(account) {
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
