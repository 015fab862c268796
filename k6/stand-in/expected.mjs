// What the scripts are to do, written down a second time and apart from them: a proof that took its
// expectations from the scripts would prove nothing.

export const CHECKS = ['is status 200', 'is body errorCode 0'];

export const PATHS = {
  balance: '/v1.0/balance',
  redeemToken: '/v1.0/session/redeemtoken',
  createToken: '/v1.0/session/createtoken',
  placebet: '/v1.0/gameround/placebet',
  awardwinnings: '/v1.0/gameround/awardwinnings',
  rollbackbet: '/v1.0/gameround/rollbackbet',
  voidbet: '/v1.0/gameround/voidbet',
  end: '/v1.0/gameround/end',
  credit: '/v1.0/accounttransaction/credit',
  alert: '/v1.0/alertwalletcallbacknotification',
};

export const HEADERS = { Authorization: 'Basic YWRtaW46YWRtaW4=', 'Content-Type': 'application/json' };

const SESSION_KEY = '20fbd3b9-eef2-49cd-9976-50f0d34e7f7c';
const WRAPPED_TOKEN_AGE_MS_MAX = 60_000;

const padded = (number, digits) => String(number).padStart(digits, '0');
const demoAccount = (vu) => `default/player-${padded(vu, 6)}`;
const lastMintedFault = (token, last) => (token === last ? null : `is not the last one minted, ${last}`);

/**
 * The scripts, and in what they differ: whether a virtual user mints its first token ahead of its first
 * iteration; its account; the steps of an iteration; and what is wrong with a token that it redeems (null where
 * nothing is), given the token that its last createToken returned.
 *
 * A step is a request type, the members beside the envelope (for redeemToken beside the token, too), and, where
 * they are audited, the answer's `Result` and the pence that it moves.
 */
export const SCRIPTS = {
  'seed.js': { mintsFirst: true, account: demoAccount, steps: seedSteps, tokenFault: lastMintedFault },
  'wrapped.js': {
    mintsFirst: false,
    account: () => 'default/admin',
    steps: seedSteps,
    tokenFault: wrappedTokenFault,
  },
  'full.js': { mintsFirst: true, account: demoAccount, steps: fullSteps, tokenFault: lastMintedFault },
};

/** The request types of a script's iteration, step by step. */
export function stepTypes(script) {
  return script.steps({ vu: 1, account: script.account(1), ids: '' }).map(({ type }) => type);
}

/** The request types of a script, each once. */
export function requestTypes(script) {
  return [...new Set(stepTypes(script))];
}

function seedSteps({ account }) {
  const members = { OperatorAccountID: account, GameID: '11588' };
  return [
    { type: 'balance', members },
    { type: 'redeemToken', members: { IPAddress: '127.0.0.1' } },
    { type: 'createToken', members },
  ];
}

/** What is wrong with the ids of an iteration, as far as they are all the same: all but the names at their ends. */
export function idsFault(ids, vu, iteration) {
  const expected = new RegExp(`^[0-9a-f]{11}-${padded(vu, 6)}-${padded(iteration, 12)}$`);
  return expected.test(ids) ? null : `the ids begin with ${ids}, which should be run, VU and iteration`;
}

// Three rounds and what is around them. `ids` is what all ids of the iteration begin with.
function fullSteps({ vu, account, ids }) {
  const own = { OperatorAccountID: account };
  const session = { GatewaySessionToken: `demo-${padded(vu, 6)}`, ...own };
  const money = (Amount) => ({ CurrencyCode: 'GBP', Amount });
  const round = (name) => ({ ...session, GameRoundID: `${ids}-${name}`, GameID: '11588' });
  const play = (name, Amount, members) =>
    ({ ...round(name[0]), GameRoundTransactionID: `${ids}-${name}`, ...money(Amount), EndRound: false, ...members });
  const reference = (name) => ({ OperatorTransactionReference: `${ids}-${name}` });
  const split = (CashAmount) => ({ OperatorTransactionSplit: { BonusAmount: 0, CashAmount } });
  const bet = (name, Amount, pence, StartRound) => ({
    type: 'placebet',
    members: play(name, Amount, { StartRound }),
    answer: { pence: -pence, Result: { ...reference(name), ...split(Amount) } },
  });
  const back = (type, name, Amount, pence, members) =>
    ({ type, members: play(name, Amount, members), answer: { pence, Result: reference(name) } });
  const end = (name) =>
    ({ type: 'end', members: { ...round(name), CurrencyCode: 'GBP' }, answer: { pence: 0, Result: undefined } });
  const balance = { type: 'balance', members: { ...own, GameID: '11588' }, answer: { pence: 0, Result: undefined } };
  return [
    { type: 'redeemToken', members: { IPAddress: '127.0.0.1' } },
    balance,
    bet('a1', 1.0, 100, true),
    bet('a2', 0.5, 50, false),
    back('awardwinnings', 'a3', 2.5, 250, { StartRound: false }),
    end('a'),
    balance,
    bet('b1', 1.0, 100, true),
    bet('b2', 0.5, 50, false),
    back('rollbackbet', 'b3', 0.5, 50, { OriginalBetGameRoundTransactionID: `${ids}-b2` }),
    end('b'),
    balance,
    bet('c1', 1.0, 100, true),
    back('voidbet', 'c2', 0.25, 25, {}),
    end('c'),
    {
      type: 'credit',
      members: { ...own, AccountTransactionID: `${ids}-d1`, AccountTransactionTypeID: '827', ...money(0.75) },
      answer: { pence: 75, Result: reference('d1') },
    },
    {
      type: 'alert',
      members: {
        ...session,
        Source: 'Gameflex',
        AlertActionID: `${ids}-d2`,
        OperatorAlertActionReference: '1',
        OperatorAlertReference: '1',
        GamingRegulatorCode: 'UKGC',
        Type: 'RealityCheck',
        Method: 'Continue',
        Data: '60',
      },
      answer: { pence: 0, Result: undefined },
    },
    balance,
    { type: 'createToken', members: { ...own, GameID: '11588' } },
  ];
}

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
  for (const type of stepTypes(script)) {
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
