// Stand-in for `k6/http`: `post`, over real connections to a real server.

import { record, refuseInInit, runtime } from './runtime.mjs';

class Response {
  constructor({ status, body, error, timings }) {
    this.status = status;
    this.body = body;
    this.error = error;
    this.timings = timings;
  }

  // As k6 does it: throws where there was no answer; with a selector, undefined for what is not there or not JSON.
  json(selector) {
    if (this.body === null) {
      throw new Error('there is no body to read as JSON');
    }
    if (selector === undefined) {
      return JSON.parse(this.body);
    }
    return select(parsed(this.body), selector);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function select(value, selector) {
  const step = (at, name) => (at !== null && typeof at === 'object' && Object.hasOwn(at, name) ? at[name] : undefined);
  return selector.split('.').reduce(step, value);
}

export function post(url, body, { headers = {}, tags = {} } = {}) {
  refuseInInit('http.post');
  const answer = runtime.send({ vu: runtime.vu, url, headers, body });
  const response = new Response(answer);
  record({ kind: 'request', url, headers, body, tags, response, reused: answer.reused });
  return response;
}

export default { post };
