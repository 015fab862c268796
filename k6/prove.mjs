// Proves a k6 script without k6: plays it under Node, over the stand-in modules, against a running server, and
// holds what it did against what is expected of it. README.md tells how to run it.

import nodeModule from 'node:module';
import { parseArgs } from 'node:util';
import { Auditor } from './stand-in/auditor.mjs';
import { openBridge } from './stand-in/bridge.mjs';
import { CHECKS, SCRIPTS, requestTypes, stepTypes } from './stand-in/expected.mjs';
import { loadScript, playIteration } from './stand-in/players.mjs';
import { runtime } from './stand-in/runtime.mjs';
import { settingsProblems } from './stand-in/settings.mjs';

const USAGE = `usage: node k6/prove.mjs --url http://127.0.0.1:PORT --script ${Object.keys(SCRIPTS).join('|')}
  [--vus 2] [--iterations 20] [--timeout-ms 5000 (of one request)] [--limit-s 120 (of the run)]`;

class UsageError extends Error {}

function wholeNumber(values, name, max) {
  const number = Number(values[name]);
  if (!/^[0-9]+$/.test(values[name]) || number < 1 || number > max) {
    throw new UsageError(`--${name} must be a whole number from 1 to ${max}, not "${values[name]}"`);
  }
  return number;
}

function parseArguments(args) {
  const text = (fallback) => ({ type: 'string', ...(fallback && { default: fallback }) });
  const options = {
    url: text(),
    script: text(),
    vus: text('2'),
    iterations: text('20'),
    'timeout-ms': text('5000'),
    'limit-s': text('120'),
  };
  let values;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (!/^http:\/\/[^/?#]+\/?$/.test(values.url ?? '') || !URL.canParse(values.url)) {
    throw new UsageError(`--url must be the address of a server, http://HOST:PORT, not "${values.url ?? ''}"`);
  }
  if (!Object.hasOwn(SCRIPTS, values.script ?? '')) {
    throw new UsageError(`--script must be one of ${Object.keys(SCRIPTS).join(', ')}, not "${values.script ?? ''}"`);
  }
  return {
    url: values.url.replace(/\/$/, ''),
    script: values.script,
    vus: wholeNumber(values, 'vus', 1_000),
    iterations: wholeNumber(values, 'iterations', 10_000),
    timeoutMs: wholeNumber(values, 'timeout-ms', 60_000),
    limitMs: wholeNumber(values, 'limit-s', 3_600) * 1_000,
  };
}

// Round by round, so that one virtual user's tokens would be seen in another's hands. It stops at the first
// iteration with a problem: after it the script's state is no longer what the auditor expects.
async function play(file, run, auditor) {
  const env = { BASE_URL: run.url, VUS: String(run.vus) };
  const endsAt = Date.now() + run.limitMs;
  const instances = [];
  for (let vu = 1; vu <= run.vus; vu += 1) {
    instances.push(await loadScript(file, env, vu));
  }
  for (let iteration = 0; iteration < run.iterations; iteration += 1) {
    for (const [index, instance] of instances.entries()) {
      if (Date.now() > endsAt) {
        return [`the run took longer than ${run.limitMs / 1_000} s`];
      }
      const problems = auditor.audit(playIteration(instance, index + 1, iteration));
      if (problems.length > 0) {
        return problems;
      }
    }
  }
  return totalProblems(run, auditor);
}

function totalProblems({ script, vus, iterations }, { rows, checksPassed }) {
  const steps = stepTypes(SCRIPTS[script]);
  const expected = new Map([['', SCRIPTS[script].mintsFirst ? vus : 0]]);
  for (const type of steps) {
    expected.set(type, (expected.get(type) ?? 0) + vus * iterations);
  }
  const problems = [];
  for (const [type, requests] of expected) {
    const found = rows.get(type)?.requests ?? 0;
    if (found !== requests) {
      problems.push(`there should be ${requests} requests of type "${type}"; there are ${found}`);
    }
  }
  const checks = CHECKS.length * steps.length * vus * iterations;
  if (checksPassed !== checks) {
    problems.push(`there should be ${checks} checks; ${checksPassed} have passed`);
  }
  return problems;
}

function printTable({ script, url, vus, iterations }, { rows, connections }) {
  const line = (name, ...cells) => console.log(name.padEnd(13) + cells.map((cell) => cell.padStart(15)).join(''));
  console.log(`${script} against ${url}: ${vus} VUs × ${iterations} iterations, ${connections} connections`);
  line('requestType', 'requests', 'checks passed', 'avg ms', 'max ms');
  for (const type of ['', ...requestTypes(SCRIPTS[script])]) {
    const { requests, checks, sumMs, maxMs } = rows.get(type) ?? { requests: 0, checks: 0, sumMs: 0, maxMs: 0 };
    const avgMs = requests === 0 ? 0 : sumMs / requests;
    line(type || '(untagged)', String(requests), String(checks), avgMs.toFixed(2), maxMs.toFixed(2));
  }
}

async function prove(run) {
  if (typeof nodeModule.register !== 'function') {
    throw new UsageError(`Node ${process.versions.node} is too old: module.register came with 20.6`);
  }
  const file = new URL(run.script, import.meta.url).href;
  const auditor = new Auditor(SCRIPTS[run.script], run.url);
  // Before the hooks are there: the worker needs none of them.
  const bridge = await openBridge(run.timeoutMs);
  try {
    nodeModule.register('./stand-in/hooks.mjs', import.meta.url);
    runtime.send = bridge.send;
    const problems = await settingsProblems(file, requestTypes(SCRIPTS[run.script]));
    // A script with the wrong options is not worth playing.
    return { auditor, problems: problems.length > 0 ? problems : await play(file, run, auditor) };
  } finally {
    await bridge.close();
  }
}

async function main() {
  const run = parseArguments(process.argv.slice(2));
  const { auditor, problems } = await prove(run);
  printTable(run, auditor);
  for (const problem of problems) {
    console.error(`prove: ${problem}`);
  }
  console.log(`${auditor.checksPassed} passed, ${problems.length} failed`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

main().catch((error) => {
  const usage = error instanceof UsageError;
  console.error(`prove: ${error.message}${usage ? `\n${USAGE}` : ''}`);
  process.exitCode = usage ? 2 : 1;
});
