// One iteration of the full mix: a session with three rounds, each of which is ended once.
//
// The mix to come near is 26 % placebet, 21 % balance, 15 % end, 6 % awardwinnings, and 3 % each of all other calls.
// Here these are six, so that they share 32 %. Of 19 requests:
//
//   5  placebet                                    26.3 %   wanted: 26 %
//   4  balance                                     21.1 %           21 %
//   3  end                                         15.8 %           15 %
//   1  awardwinnings                                5.3 %            6 %
//   1  each of redeemToken, createToken,            5.3 %     32 % / 6
//      rollbackbet, voidbet, credit, alert
//
// What goes out comes back, so that a run may last: stakes 1.00 + 0.50 + 1.00 + 0.50 + 1.00 = 4.00; winnings 2.50,
// a bet taken back 0.50, stake given back 0.25, credit 0.75, together 4.00.

import { check } from 'k6';
import { step } from './step.js';
import { alert, awardWinnings, balance, cashFunds, createToken, credit, endRound, idPrefix, placeBet,
  redeemToken, rollbackBet, voidBet } from './wallet.js';

/** The calls of an iteration, in the order in which they are first made. */
export const REQUEST_TYPES = ['redeemToken', 'balance', 'placebet', 'awardwinnings', 'end', 'rollbackbet', 'voidbet',
  'credit', 'alert', 'createToken'];

/**
 * Plays one iteration of `player` ({ vu, account, session }), which redeems `token`, and returns the answer to its
 * createToken.
 */
export function playIteration(player, iteration, token) {
  const prefix = idPrefix(player.vu, iteration);
  step('redeemToken', (tags) => redeemToken(token, tags));
  const before = cashFunds(askBalance(player));
  playWonRound(player, prefix);
  checkFunds(askBalance(player), before, 1.00);
  playRoundWithRollback(player, prefix);
  checkFunds(askBalance(player), before, 0.00);
  playRoundWithVoid(player, prefix);
  step('credit', (tags) => credit(player, `${prefix}-d1`, 0.75, tags));
  step('alert', (tags) => alert(player, `${prefix}-d2`, tags));
  checkFunds(askBalance(player), before, 0.00);
  return step('createToken', (tags) => createToken(player.account, tags));
}

// In pennies, since a sum of two numbers of JavaScript need not be the one that JSON has.
function checkFunds(response, before, moved) {
  const pennies = (amount) => Math.round(amount * 100);
  const funds = cashFunds(response);
  check(funds, { 'are the funds as played': () => pennies(funds) === pennies(before) + pennies(moved) });
}

function askBalance({ account }) {
  return step('balance', (tags) => balance(account, tags));
}

function playWonRound(player, prefix) {
  const round = { player, id: `${prefix}-a` };
  step('placebet', (tags) => placeBet(round, `${prefix}-a1`, 1.00, true, tags));
  step('placebet', (tags) => placeBet(round, `${prefix}-a2`, 0.50, false, tags));
  step('awardwinnings', (tags) => awardWinnings(round, `${prefix}-a3`, 2.50, tags));
  step('end', (tags) => endRound(round, tags));
}

function playRoundWithRollback(player, prefix) {
  const round = { player, id: `${prefix}-b` };
  const bet = `${prefix}-b2`;
  step('placebet', (tags) => placeBet(round, `${prefix}-b1`, 1.00, true, tags));
  step('placebet', (tags) => placeBet(round, bet, 0.50, false, tags));
  step('rollbackbet', (tags) => rollbackBet(round, `${prefix}-b3`, bet, 0.50, tags));
  step('end', (tags) => endRound(round, tags));
}

function playRoundWithVoid(player, prefix) {
  const round = { player, id: `${prefix}-c` };
  step('placebet', (tags) => placeBet(round, `${prefix}-c1`, 1.00, true, tags));
  step('voidbet', (tags) => voidBet(round, `${prefix}-c2`, 0.25, tags));
  step('end', (tags) => endRound(round, tags));
}
