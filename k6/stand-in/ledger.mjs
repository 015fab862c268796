// What the answers say of each virtual user's money, held against what its requests should have moved. It needs the
// accounts to itself: whoever else plays one meanwhile moves its balance.

import { isDeepStrictEqual } from 'node:util';

// Digits and not a JavaScript number, which would hide an amount in the wrong form: two decimals always.
const CASH_FUNDS = /"CashFunds":(\d+)\.(\d\d)[,}]/;

export class Ledger {
  /** By virtual user: the cash in pence and the balance's version, as last seen. */
  #seen = new Map();

  /** The faults of an answer whose body is `text`, to a request that moves `pence` and has this `Result`. */
  faults(vu, text, { pence, Result }) {
    const answer = JSON.parse(text);
    const faults = [];
    if (!isDeepStrictEqual(answer.Result, Result)) {
      faults.push(`Result should be ${JSON.stringify(Result)}; it is ${JSON.stringify(answer.Result)}`);
    }
    const [, pounds, rest] = CASH_FUNDS.exec(text) ?? [];
    if (pounds === undefined) {
      return [...faults, `the answer has no Balance with CashFunds in two decimals: ${text.slice(0, 300)}`];
    }
    const { CashFunds, Version, ...others } = answer.Balance;
    if (!isDeepStrictEqual(others, { CurrencyCode: 'GBP', BonusFunds: 0, FundsPriority: 'Unknown' })) {
      faults.push(`Balance has ${JSON.stringify(others)}`);
    }
    faults.push(...this.#moveFaults(vu, Number(pounds + rest), Version, pence));
    return faults;
  }

  #moveFaults(vu, cash, version, pence) {
    const last = this.#seen.get(vu);
    this.#seen.set(vu, { cash, version });
    if (last === undefined) {
      return [];
    }
    const expected = { cash: last.cash + pence, version: last.version + (pence === 0 ? 0 : 1) };
    return isDeepStrictEqual({ cash, version }, expected)
      ? []
      : [`the balance should be ${expected.cash} pence, version ${expected.version}; it is ${cash}, ${version}`];
  }
}
