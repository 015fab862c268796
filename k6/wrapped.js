// The seed scenario with one account for all virtual users, and session tokens that the platform mints itself
// from the session key. The server must run with `--session-token wrapped`. README.md tells how to run it.

import { loadOptions } from './lib/options.js';
import { REQUEST_TYPES, playIteration } from './lib/scenario.js';

const ACCOUNT = 'default/admin';
const SESSION_KEY = '20fbd3b9-eef2-49cd-9976-50f0d34e7f7c';

export const options = loadOptions(REQUEST_TYPES);

export default function () {
  playIteration(ACCOUNT, wrappedToken);
}

// The session key and the time of minting, in milliseconds since 1970, in lower-case hexadecimal.
function wrappedToken() {
  return `${SESSION_KEY}-${Date.now().toString(16)}`;
}
