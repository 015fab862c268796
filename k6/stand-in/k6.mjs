// Stand-in for the module `k6`.

import { record, refuseInInit, runtime } from './runtime.mjs';

export function group(name, body) {
  refuseInInit('group');
  // k6 joins the names of nested groups with it.
  if (name.includes('::')) {
    throw new Error(`the group name "${name}" contains "::"`);
  }
  runtime.groups.push(name);
  record({ kind: 'enter' });
  try {
    return body();
  } finally {
    record({ kind: 'leave' });
    runtime.groups.pop();
  }
}

export function check(value, conditions) {
  refuseInInit('check');
  let allPassed = true;
  for (const [name, condition] of Object.entries(conditions)) {
    const passed = Boolean(typeof condition === 'function' ? condition(value) : condition);
    record({ kind: 'check', name, passed, value });
    allPassed = allPassed && passed;
  }
  return allPassed;
}

export function sleep(seconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}

export function fail(message = '') {
  throw new Error(message);
}

export default { group, check, sleep, fail };
