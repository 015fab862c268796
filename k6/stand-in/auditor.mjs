// Holds each iteration that was played against what was expected of it, and counts. It returns problems as
// sentences, so that a failed run says what is wrong where.

import { isDeepStrictEqual } from 'node:util';
import { HEADERS, PATHS, describe, expectedTrace, pathOf } from './expected.mjs';
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

  #wrongRequests({ vu, trace }) {
    const requests = trace.filter((event) => event.kind === 'request');
    return requests.flatMap((request) => this.#faults(request, vu).map((fault) => `POST ${request.url}: ${fault}`));
  }

  #faults({ url, headers, body, response }, vu) {
    if (!isDeepStrictEqual(headers, HEADERS)) {
      return [`the headers are ${JSON.stringify(headers)}`];
    }
    const { PlatformKey, Sequence, Timestamp, ...members } = JSON.parse(body);
    const faults = this.#envelopeFaults(PlatformKey, Sequence, Timestamp);
    const path = pathOf(url, this.#baseUrl);
    if (path === PATHS.redeemToken) {
      faults.push(...this.#redeemFaults(members, vu));
    } else if (!isDeepStrictEqual(members, { OperatorAccountID: this.#script.account(vu), GameID: '11588' })) {
      faults.push(`VU ${vu} sent ${JSON.stringify(members)}`);
    }
    if (path === PATHS.createToken) {
      this.#lastMinted.set(vu, response.json('Result.SessionToken'));
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

  #redeemFaults({ SessionToken, ...others }, vu) {
    const faults = [];
    const fault = this.#script.tokenFault(SessionToken, this.#lastMinted.get(vu));
    if (fault !== null) {
      faults.push(`the token ${SessionToken} ${fault}`);
    }
    if (!isDeepStrictEqual(others, { IPAddress: '127.0.0.1' })) {
      faults.push(`beside the token it sent ${JSON.stringify(others)}`);
    }
    return faults;
  }
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
