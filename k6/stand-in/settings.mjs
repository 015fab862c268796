// Proves what a script makes of its environment: options, thresholds, the server's address. No server is asked.

import { explain, loadScript, playIteration } from './players.mjs';
import { runtime } from './runtime.mjs';

const CASES = [
  { env: {}, vus: 100, duration: '10m', baseUrl: 'http://127.0.0.1:9816' },
  {
    env: { VUS: '7', DURATION: '42s', BASE_URL: 'http://127.0.0.1:1/' },
    vus: 7,
    duration: '42s',
    baseUrl: 'http://127.0.0.1:1',
  },
];

// What k6 takes for a threshold of these metrics: it refuses to start with one that it can't read.
const EXPRESSIONS = {
  http_req_duration: /^(min|max|avg|med|p\([0-9.]+\))(<|<=|>|>=|==|!=)[0-9.]+$/,
  http_reqs: /^(count|rate)(<|<=|>|>=|==|!=)[0-9.]+$/,
};

const WRONG_VUS = ['0', '-1', '1.5', 'many'];

/**
 * The problems of a script that makes requests of these types, as sentences: those of the first environment that has
 * any, since the next repeats them.
 */
export async function settingsProblems(script, requestTypes) {
  for (const expected of CASES) {
    const problems = await caseProblems(script, { ...expected, requestTypes });
    if (problems.length > 0) {
      return problems;
    }
  }
  return refusalProblems(script);
}

async function refusalProblems(script) {
  const problems = [];
  for (const VUS of WRONG_VUS) {
    const refusal = await loadScript(script, { VUS }, 0).then(() => null, (error) => error.message);
    if (!refusal?.includes('VUS')) {
      problems.push(`with VUS=${VUS} the script should be refused with a word about VUS; it says: ${refusal}`);
    }
  }
  return problems;
}

async function caseProblems(script, expected) {
  const problems = await loadScript(script, expected.env, 0).then(
    (instance) => instanceProblems(instance, expected),
    (error) => [`the script does not load: ${explain(error)}`],
  );
  return problems.map((problem) => `with the environment ${JSON.stringify(expected.env)}: ${problem}`);
}

function instanceProblems(instance, { vus, duration, baseUrl, requestTypes }) {
  const { options = {}, default: iterate } = instance;
  if (typeof iterate !== 'function') {
    return ['the script exports no default function'];
  }
  const problems = thresholdProblems(options.thresholds ?? {}, requestTypes);
  if (options.vus !== vus) {
    problems.push(`options.vus should be ${vus}; it is ${options.vus}`);
  }
  if (options.duration !== duration) {
    problems.push(`options.duration should be ${duration}; it is ${options.duration}`);
  }
  const { urls, error } = urlsAsked(instance);
  const stray = urls.find((url) => !url.startsWith(`${baseUrl}/v1.0/`));
  if (error !== null || urls.length === 0) {
    problems.push(`the script does not play: ${error === null ? 'it sends nothing' : explain(error)}`);
  } else if (stray !== undefined) {
    problems.push(`a request should go to ${baseUrl}; it goes to ${stray}`);
  }
  return problems;
}

// One iteration with answers that please every check.
function urlsAsked(instance) {
  const urls = [];
  const { send } = runtime;
  runtime.send = ({ url }) => {
    urls.push(url);
    const timings = { duration: 0, waiting: 0, receiving: 0 };
    const body = '{"ErrorCode":0,"Result":{"SessionToken":"t"}}';
    return { status: 200, body, error: '', timings, reused: true };
  };
  const { error } = playIteration(instance, 1, 0);
  runtime.send = send;
  return { urls, error };
}

function thresholdProblems(thresholds, requestTypes) {
  const problems = [];
  for (const [metric, expression] of Object.entries(EXPRESSIONS)) {
    const names = requestTypes.map((type) => `${metric}{requestType:${type}}`);
    const missing = names.filter((name) => !thresholds[name]?.some((text) => expression.test(text)));
    problems.push(...missing.map((name) => `no threshold that k6 can read names ${name}`));
  }
  for (const [name, expected] of [['checks', 'rate==1'], ['http_req_failed', 'rate==0']]) {
    if (!thresholds[name]?.includes(expected)) {
      problems.push(`the thresholds should hold ${name} to ${expected}`);
    }
  }
  return problems;
}
