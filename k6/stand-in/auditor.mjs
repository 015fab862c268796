// Holds each iteration that was played against what was expected of it, and counts. It returns problems as
// sentences, so that a failed run says what is wrong where.

import { isDeepStrictEqual } from 'node:util';
import { HEADERS, describe, expectedTrace, idsFault } from './expected.mjs';
import { Ledger } from './ledger.mjs';
import { explain } from './players.mjs';

const SEQUENCE = /^.{1,50}$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$/;

export class Auditor {
  /** Per request type, '' for the untagged: requests, checks passed, and the times in milliseconds. */
  rows = new Map();
  checksPassed = 0;
  connections = 0;
  #script;
  #baseUrl;
  #sequences = new Set();
  #lastMinted = new Map();
  #runs = new Map();
  #ledger = new Ledger();

  constructor(script, baseUrl) {
    this.#script = script;
    this.#baseUrl = baseUrl;
  }

  /** The problems of one iteration: those of the first kind that has any, since the others follow from it. */
  audit(played) {
    this.#count(played);
    const kinds = [earlyEnd, failedChecks, (it) => this.#wrongSteps(it), (it) => this.#wrongRequests(it)];
    for (const problemsOf of kinds) {
      const problems = problemsOf(played);
      if (problems.length > 0) {
        return problems.map((problem) => `VU ${played.vu}, iteration ${played.iteration}: ${problem}`);
      }
    }
    return [];
  }

  #row(type) {
    if (!this.rows.has(type)) {
      this.rows.set(type, { requests: 0, checks: 0, sumMs: 0, maxMs: 0 });
    }
    return this.rows.get(type);
  }

  #count({ trace }) {
    for (const event of trace) {
      if (event.kind === 'request') {
        const row = this.#row(event.tags.requestType ?? '');
        const { duration } = event.response.timings;
        row.requests += 1;
        row.sumMs += duration;
        row.maxMs = Math.max(row.maxMs, duration);
        this.connections += event.reused ? 0 : 1;
      } else if (event.kind === 'check' && event.passed) {
        this.#row(event.groups[0] ?? '').checks += 1;
        this.checksPassed += 1;
      }
    }
  }

  // Order and nesting of the groups, tags, names and number of the checks: one comparison sees them all.
  #wrongSteps({ trace, iteration }) {
    const expected = expectedTrace(this.#script, iteration);
    const found = trace.map((event) => describe(event, this.#baseUrl));
    const length = Math.max(expected.length, found.length);
    for (let at = 0; at < length; at += 1) {
      if (expected[at] !== found[at]) {
        const end = 'the end of the iteration';
        return [`step ${at + 1} should be: ${expected[at] ?? end}; it is: ${found[at] ?? end}`];
      }
    }
    return [];
  }

  #wrongRequests({ vu, iteration, trace }) {
    const requests = trace.filter((event) => event.kind === 'request');
    const ids = commonIds(requests);
    if (ids !== null) {
      const fault = this.#idsFault(ids, vu, iteration);
      if (fault !== null) {
        return [fault];
      }
    }
    const steps = this.#expectedSteps(vu, iteration, ids);
    return requests.flatMap((request, at) =>
      this.#faults(request, vu, steps[at]).map((fault) => `POST ${request.url}: ${fault}`));
  }

  #expectedSteps(vu, iteration, ids) {
    const { mintsFirst, account, steps } = this.#script;
    const expected = steps({ vu, account: account(vu), ids });
    const minting = expected.filter(({ type }) => type === 'createToken');
    return mintsFirst && iteration === 0 ? [...minting, ...expected] : expected;
  }

  // Their first part names the run, so it stays.
  #idsFault(ids, vu, iteration) {
    const fault = idsFault(ids, vu, iteration);
    if (fault !== null) {
      return fault;
    }
    const [run] = ids.split('-');
    const first = this.#runs.get(vu) ?? run;
    this.#runs.set(vu, first);
    return run === first ? null : `the ids' run is ${run}; in the first iteration it was ${first}`;
  }

  #faults({ headers, body, response }, vu, { type, members: expected, answer }) {
    if (!isDeepStrictEqual(headers, HEADERS)) {
      return [`the headers are ${JSON.stringify(headers)}`];
    }
    const { PlatformKey, Sequence, Timestamp, SessionToken, ...members } = JSON.parse(body);
    const faults = this.#envelopeFaults(PlatformKey, Sequence, Timestamp);
    if (type === 'redeemToken') {
      faults.push(...this.#tokenFaults(SessionToken, vu));
    } else if (SessionToken !== undefined) {
      faults.push(`it has the token ${SessionToken}`);
    }
    if (!isDeepStrictEqual(members, expected)) {
      faults.push(`VU ${vu} sent ${JSON.stringify(members)}, not ${JSON.stringify(expected)}`);
    }
    if (type === 'createToken') {
      this.#lastMinted.set(vu, response.json('Result.SessionToken'));
    }
    if (answer !== undefined) {
      faults.push(...this.#ledger.faults(vu, response.body, answer));
    }
    return faults;
  }

  #envelopeFaults(platformKey, sequence, timestamp) {
    const faults = [];
    if (platformKey !== 'L100') {
      faults.push(`PlatformKey is ${platformKey}`);
    }
    if (!SEQUENCE.test(sequence) || this.#sequences.has(sequence)) {
      faults.push(`Sequence ${sequence} is too long or not new`);
    }
    if (!TIMESTAMP.test(timestamp)) {
      faults.push(`Timestamp is ${timestamp}`);
    }
    this.#sequences.add(sequence);
    return faults;
  }

  #tokenFaults(token, vu) {
    const fault = this.#script.tokenFault(token, this.#lastMinted.get(vu));
    return fault === null ? [] : [`the token ${token} ${fault}`];
  }
}

// What the ids of an iteration begin with, by the first round that is named; null where none is.
function commonIds(requests) {
  const round = requests.map(({ body }) => JSON.parse(body).GameRoundID).find((id) => id !== undefined);
  return round === undefined ? null : round.replace(/-[^-]*$/, '');
}

function earlyEnd({ error }) {
  return error === null ? [] : [explain(error)];
}

function failedChecks({ trace }) {
  const failed = trace.filter((event) => event.kind === 'check' && !event.passed);
  return failed.map(({ name, groups, value }) => `check "${name}" of ${groups[0]} failed: ${answerOf(value)}`);
}

function answerOf({ status, body, error }) {
  return body === null ? `no answer (${error})` : `the answer was HTTP ${status} ${body.slice(0, 200)}`;
}
