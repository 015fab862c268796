// Loads a script and plays it as virtual users, in the way of k6: each has an instance of the script, and of all
// that it imports, to itself, and the globals `__VU`, `__ITER` and `__ENV` tell it where it is.

import { runtime } from './runtime.mjs';

let instances = 0;

/** A new instance of the script, through its init stage. `vu` is 0 where k6 only asks for the options. */
export async function loadScript(script, env, vu) {
  instances += 1;
  const url = new URL(script);
  // Node loads a module once per URL.
  url.search = `?instance=${instances}`;
  runtime.vu = 0;
  Object.assign(globalThis, { __ENV: env, __VU: vu, __ITER: undefined });
  return import(url.href);
}

/** Plays one iteration; returns what it did and, where it ended early, the error that ended it. */
export function playIteration(instance, vu, iteration) {
  runtime.vu = vu;
  runtime.groups = [];
  runtime.trace = [];
  Object.assign(globalThis, { __VU: vu, __ITER: iteration });
  try {
    instance.default();
    return { vu, iteration, trace: runtime.trace, error: null };
  } catch (error) {
    return { vu, iteration, trace: runtime.trace, error };
  } finally {
    runtime.vu = 0;
  }
}

/** An error of a script, with the script's line where it came from (which the stack of a syntax error lacks). */
export function explain(error) {
  const [, file, line] = /\/([^/\n]+\.js)\?instance=\d+:(\d+)/.exec(error.stack ?? '') ?? [];
  return file === undefined ? error.message : `${error.message} (${file}, line ${line})`;
}
