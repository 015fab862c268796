// A step of an iteration: one request in its groups, with its checks and its tag.

import { check, group } from 'k6';
import { errorCode } from './wallet.js';

const CHECKS = {
  'is status 200': (response) => response.status === 200,
  'is body errorCode 0': (response) => errorCode(response) === 0,
};

/**
 * Makes one request, by `call`, and returns its answer. A group within a group of the same name: so the report to
 * compare with has it ("balance › balance").
 */
export function step(requestType, call) {
  return group(requestType, () => group(requestType, () => {
    const response = call({ requestType });
    check(response, CHECKS);
    return response;
  }));
}
