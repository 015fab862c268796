// One iteration of the seed scenario: balance, redeemToken, createToken.

import { step } from './step.js';
import { balance, createToken, redeemToken } from './wallet.js';

/** The calls of an iteration, in the order in which they are made. */
export const REQUEST_TYPES = ['balance', 'redeemToken', 'createToken'];

/**
 * Plays one iteration of `account` and returns the answer to its createToken. `nextToken` is asked for the
 * token when it is about to be redeemed, not earlier: a token ages.
 */
export function playIteration(account, nextToken) {
  step('balance', (tags) => balance(account, tags));
  step('redeemToken', (tags) => redeemToken(nextToken(), tags));
  return step('createToken', (tags) => createToken(account, tags));
}
