// What the scripts are to do, written down a second time and apart from them: a proof that took its
// expectations from the scripts would prove nothing.

export const REQUEST_TYPES = ['balance', 'redeemToken', 'createToken'];
export const CHECKS = ['is status 200', 'is body errorCode 0'];
export const CHECKS_PER_ITERATION = REQUEST_TYPES.length * CHECKS.length;

export const PATHS = {
  balance: '/v1.0/balance',
  redeemToken: '/v1.0/session/redeemtoken',
  createToken: '/v1.0/session/createtoken',
};

export const HEADERS = { Authorization: 'Basic YWRtaW46YWRtaW4=', 'Content-Type': 'application/json' };

const SESSION_KEY = '20fbd3b9-eef2-49cd-9976-50f0d34e7f7c';
const WRAPPED_TOKEN_AGE_MS_MAX = 60_000;

/**
 * The scripts, and in what they differ: whether a virtual user mints its first token ahead of its first
 * iteration; its account; and what is wrong with a token that it redeems (null where nothing is), given the
 * token that its last createToken returned.
 */
export const SCRIPTS = {
  'seed.js': {
    mintsFirst: true,
    account: (vu) => `default/player-${String(vu).padStart(6, '0')}`,
    tokenFault: (token, lastMinted) => (token === lastMinted ? null : `is not the last one minted, ${lastMinted}`),
  },
  'wrapped.js': {
    mintsFirst: false,
    account: () => 'default/admin',
    tokenFault: wrappedTokenFault,
  },
};

function wrappedTokenFault(token) {
  const [, mintedAt] = new RegExp(`^${SESSION_KEY}-([1-9a-f][0-9a-f]*)$`).exec(token) ?? [];
  if (mintedAt === undefined) {
    return 'is not the session key, "-", and a time in lower-case hexadecimal';
  }
  const ageMs = Date.now() - Number.parseInt(mintedAt, 16);
  return ageMs >= 0 && ageMs < WRAPPED_TOKEN_AGE_MS_MAX ? null : `is ${ageMs} ms old`;
}

/** The trace of an iteration, in the words of `describe`. */
export function expectedTrace(script, iteration) {
  const lines = [];
  if (script.mintsFirst && iteration === 0) {
    lines.push(`POST ${PATHS.createToken} outside any group, without tags`);
  }
  for (const type of REQUEST_TYPES) {
    const inner = `${type} › ${type}`;
    lines.push(`group ${type} opens`, `group ${inner} opens`);
    lines.push(`POST ${PATHS[type]} in group ${inner}, tagged ${JSON.stringify({ requestType: type })}`);
    lines.push(...CHECKS.map((name) => `check "${name}" in group ${inner}`));
    lines.push(`group ${inner} closes`, `group ${type} closes`);
  }
  return lines;
}

/** One event of a trace, in words. */
export function describe(event, baseUrl) {
  const group = event.groups.join(' › ');
  switch (event.kind) {
    case 'enter':
      return `group ${group} opens`;
    case 'leave':
      return `group ${group} closes`;
    case 'check':
      return `check "${event.name}" in group ${group}`;
    default: {
      const place = group === '' ? 'outside any group' : `in group ${group}`;
      const tags = Object.keys(event.tags).length === 0 ? 'without tags' : `tagged ${JSON.stringify(event.tags)}`;
      return `POST ${pathOf(event.url, baseUrl)} ${place}, ${tags}`;
    }
  }
}

export function pathOf(url, baseUrl) {
  return url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length) : url;
}
