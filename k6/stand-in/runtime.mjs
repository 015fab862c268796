// What the stand-in modules share: which virtual user is playing, and the trace of what its script has done.
// One of a kind, since the virtual users take turns in one thread.

export const runtime = {
  /** Number of the virtual user that is playing; 0 in the init stage. */
  vu: 0,
  /** Names of the groups that are open, outermost first. */
  groups: [],
  /** Events of the iteration that is being played. */
  trace: [],
  /** Sends a request and returns its answer: `({ vu, url, headers, body }) => answer`. */
  send: null,
};

/** k6 knows no requests, groups or checks before the virtual user plays. */
export function refuseInInit(what) {
  if (runtime.vu === 0) {
    throw new Error(`${what} is not allowed in the init stage`);
  }
}

export function record(event) {
  runtime.trace.push({ ...event, groups: [...runtime.groups] });
}
