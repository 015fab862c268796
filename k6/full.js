// The full mix: every virtual user plays a demo account of its own, in all ten calls of the protocol, and redeems the
// token that its last createToken returned. README.md tells how to run it.

import { demoAccount, demoSession, firstToken } from './lib/demo.js';
import { REQUEST_TYPES, playIteration } from './lib/mix.js';
import { loadOptions } from './lib/options.js';
import { sessionToken } from './lib/wallet.js';

export const options = loadOptions(REQUEST_TYPES);

// The virtual user's own, since k6 gives each its own instance of this module. Undefined until first minted.
let token;

export default function () {
  const player = { vu: __VU, account: demoAccount(__VU), session: demoSession(__VU) };
  if (token === undefined) {
    token = firstToken(player.account);
  }
  const created = playIteration(player, __ITER, token);
  // As in seed.js: where createToken failed, the next redeemToken fails with it.
  token = sessionToken(created) || '';
}
