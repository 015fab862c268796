//! Branches that matter and are seldom taken, counted, so that a run of the simulator can say which of them it never reached.
//! A hit is one relaxed addition to a counter; none stands on a way that every request takes.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

macro_rules! branches {
    ($($(#[$doc:meta])* $branch:ident $(in $test:literal)?;)*) => {
        /// A branch that matters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Branch {
            $($(#[$doc])* $branch,)*
        }

        impl Branch {
            /// Every branch.
            pub const ALL: [Self; [$(stringify!($branch)),*].len()] = [$(Self::$branch),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$branch => stringify!($branch),)*
                }
            }

            /// The test that reaches it, where the simulator can't.
            pub const fn test(self) -> Option<&'static str> {
                match self {
                    $($(Self::$branch => Some($test),)?)*
                    _ => None,
                }
            }
        }
    };
}

branches! {
    /// A login ended the session that was used least recently.
    SessionEvicted;
    /// A login forgot the session that expired first, since the account remembered too many.
    ExpiredSessionEvicted;
    /// A session was past its horizon, and was still in memory when it was asked for.
    SessionPastHorizon;
    /// A session key was another account's, whose session is over.
    KeyFreed;
    /// A session key was on its way from one account to another.
    KeyInFlight;
    /// A table made a part more for what it holds.
    TableSplit;
    /// A table needed a part less.
    TableMerged;
    /// A minted token ended the oldest of its account and platform.
    TokenEvicted;
    /// A platform asked for a token that was minted for another one.
    TokenOfAnotherPlatform;
    /// A round was past its horizon, and was still in memory when it was asked for.
    RoundPastHorizon;
    /// Rounds that the history has left memory.
    RoundsLeft;
    /// A round came back out of the history.
    RoundRecalled;
    /// A round of the history was journaled before a change of it.
    ColdRoundJournaled;
    /// A request waited behind another one of its account, which waits for the history.
    WaitedForHistory;
    /// What the history has answered was of a time that is over, and it was asked again.
    HistoryAskedAgain;
    /// A page of a statement had lines of memory and lines of the history.
    StatementOfBoth;
    /// Of several versions of a round the newest one was taken from the files of a history.
    NewestVersionTaken;
    /// The blocks of a filter had too many keys, and were made anew.
    FilterMadeAnew;
    /// A page of a statement ended before its limit, since it would be too long.
    PageFull;
    /// A page of a statement was refused, since more of its account is over than leaves memory for one request.
    PageRefused in "wallet::tests::statement::a_page_does_not_pay_for_all_that_is_over";
    /// A round whose platform was not known was claimed by the first record about it.
    RoundClaimed in "wallet::tests::identity::a_round_of_version_0_1_0_is_found_by_any_game";
    /// A round was found under the scope that its platform had before.
    RoundOfOtherScope;
    /// A bet was refused since its round has as many as it may have.
    BetsFull;
    /// A round was not opened since its account has as many open ones as it may have.
    OpenRoundsFull in "wallet::tests::full::an_account_with_too_many_open_rounds_opens_no_other";
    /// A transaction was refused since its round has as many as it may have.
    RoundFull;
    /// A rollback that finds no bet was not remembered, since its round is full.
    CancellationDropped;
    /// A bet was rolled back before it came, and then came.
    CancelledBet;
    /// `strict_rounds`: a rollback in a round that has winnings.
    StrictRollback;
    /// `strict_rounds`: winnings in a round whose bets were all rolled back.
    StrictWin;
    /// A request for another shard was refused there, since its time was over before anything had changed.
    LateInLane;
    /// A request was refused since memory is short, and it would have taken more.
    GrowthRefused;
    /// A sum of a period that began earlier by another time zone went on.
    SumsGoOn;
    /// `remember_refusals_ms`: a bet that was refused came again in time.
    RefusalRemembered;
    /// `remember_refusals_ms`: a bet could not be refused for good, since its account has as many refusals as it may.
    RefusalsFull;
    /// `unknown_rollback = 0`: the rollback of a bet that is not there succeeded.
    UnknownRollbackSucceeded;
    /// A frozen account's round was settled.
    FrozenSettled;
    /// A round was settled in a game that is not offered.
    WithdrawnGameSettled;
    /// Settings changed, and what was past the old horizon was forgotten.
    HorizonMoved;
    /// The sums of a period that has not begun, or began by another clock, were taken over.
    SumsTakenOver;
    /// A snapshot left out what is past the horizon.
    ImageForgot;
    /// A day turned in a domain that has a time zone.
    CalendarTurned;
    /// A recovery found a write that a crash tore.
    TornTail;
    /// A recovery found a segment's header that a crash tore.
    TornHeader;
    /// A journal ended before its mark.
    EndMissing;
    /// Something was torn at the end of a journal, though it was stopped as it should be.
    TornAfterStop;
    /// A journal went on behind its end, at which it was stopped as it should be.
    RecordsAfterStop in "tests/crash, a_copy_from_another_time_is_refused";
    /// A record of older rules was applied by its receipt.
    OldRules in "tests/clock, data_of_version_0_1_0_are_told_as_before_and_go_on";
}

static COUNTS: [AtomicU64; Branch::ALL.len()] = [const { AtomicU64::new(0) }; Branch::ALL.len()];

/// The branch is taken.
pub fn hit(branch: Branch) {
    COUNTS[branch as usize].fetch_add(1, Ordering::Relaxed);
}

/// How often the branch was taken since the process began.
pub fn hits(branch: Branch) -> u64 {
    COUNTS[branch as usize].load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_counted_as_often_as_it_is_taken() {
        let (before, other) = (hits(Branch::TornTail), hits(Branch::TornHeader));
        hit(Branch::TornTail);
        hit(Branch::TornTail);
        assert_eq!((hits(Branch::TornTail), hits(Branch::TornHeader)), (before + 2, other));
    }
}
