// What the scripts ask of k6: how many virtual users, for how long, and what the summary must show.

/**
 * The options of a script that makes requests of these types. `vus` with `duration` is k6's closed loop: a virtual
 * user starts its next iteration when the last has ended.
 */
export function loadOptions(requestTypes) {
  return {
    vus: virtualUsers(__ENV.VUS || '100'),
    duration: __ENV.DURATION || '10m',
    thresholds: thresholds(requestTypes),
  };
}

// k6 takes `vus: NaN` for 0 and only then complains, of something else.
function virtualUsers(text) {
  if (!/^[1-9][0-9]*$/.test(text)) {
    throw new Error(`VUS must be a whole number from 1, not "${text}"`);
  }
  return Number(text);
}

function thresholds(requestTypes) {
  const all = { checks: ['rate==1'], http_req_failed: ['rate==0'] };
  for (const type of requestTypes) {
    // The summary lists a sub-metric only where a threshold names it. These two always hold: they are there
    // to be listed, and speed is read from the report, not judged here.
    all[`http_req_duration{requestType:${type}}`] = ['max>=0'];
    all[`http_reqs{requestType:${type}}`] = ['count>=0'];
  }
  return all;
}
