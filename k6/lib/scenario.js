// One iteration: balance, redeemToken, createToken, each in its groups, with its checks and its tag.

import { check, group } from 'k6';
import { balance, createToken, errorCode, redeemToken } from './wallet.js';

const CHECKS = {
  'is status 200': (response) => response.status === 200,
  'is body errorCode 0': (response) => errorCode(response) === 0,
};

/**
 * Plays one iteration of `account` and returns the answer to its createToken. `nextToken` is asked for the
 * token when it is about to be redeemed, not earlier: a token ages.
 */
export function playIteration(account, nextToken) {
  step('balance', (tags) => balance(account, tags));
  step('redeemToken', (tags) => redeemToken(nextToken(), tags));
  return step('createToken', (tags) => createToken(account, tags));
}

// A group within a group of the same name: so the report to compare with has it ("balance › balance").
function step(requestType, call) {
  return group(requestType, () => group(requestType, () => {
    const response = call({ requestType });
    check(response, CHECKS);
    return response;
  }));
}
