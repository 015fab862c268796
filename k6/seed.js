// The seed scenario: every virtual user plays a demo account of its own, and redeems the token that its last
// createToken returned. README.md tells how to run it.

import { demoAccount, firstToken } from './lib/demo.js';
import { loadOptions } from './lib/options.js';
import { REQUEST_TYPES, playIteration } from './lib/scenario.js';
import { sessionToken } from './lib/wallet.js';

export const options = loadOptions(REQUEST_TYPES);

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
