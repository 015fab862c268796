//! What the operator restricts an account to: stake, wager, loss, session length (protocol §4, Limits).

/// Limits of an account. `A` is [`Money`](super::amount::Money) as they are asked for, and
/// [`Amount`](super::amount::Amount) once they hold. What is `None` is not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restrictions<A> {
    /// One bet (-10).
    pub stake: Option<A>,
    /// Sum of bets (-11).
    pub wager: ByPeriod<A>,
    /// Bets less wins (-12).
    pub loss: ByPeriod<A>,
    /// From a session's start to its last bet, minutes (-13); 1 to
    /// [`SESSION_MINUTES_MAX`](limits::SESSION_MINUTES_MAX).
    pub session_minutes: Option<u32>,
}

/// A limit for each period, of the clock that the domain counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByPeriod<A> {
    /// From midnight.
    pub day: Option<A>,
    /// From Monday's midnight (ISO 8601).
    pub week: Option<A>,
    /// From the first day's midnight.
    pub month: Option<A>,
}

impl<A> ByPeriod<A> {
    /// Without a limit.
    pub const fn none() -> Self {
        Self { day: None, week: None, month: None }
    }

    /// Each limit passed through `f`; `None` where `f` has none for one of them.
    pub fn try_map<B>(self, f: impl Fn(A) -> Option<B>) -> Option<ByPeriod<B>> {
        let each = |limit: Option<A>| limit.map_or(Some(None), |limit| f(limit).map(Some));
        Some(ByPeriod { day: each(self.day)?, week: each(self.week)?, month: each(self.month)? })
    }

    /// Day, week and month.
    pub fn into_array(self) -> [Option<A>; 3] {
        [self.day, self.week, self.month]
    }
}

impl<A> Restrictions<A> {
    /// Nothing is limited.
    pub const fn none() -> Self {
        Self { stake: None, wager: ByPeriod::none(), loss: ByPeriod::none(), session_minutes: None }
    }

    /// Each limit of money passed through `f`; `None` where `f` has none for one of them.
    pub fn try_map<B>(self, f: impl Fn(A) -> Option<B>) -> Option<Restrictions<B>> {
        Some(Restrictions {
            stake: self.stake.map_or(Some(None), |limit| f(limit).map(Some))?,
            wager: self.wager.try_map(&f)?,
            loss: self.loss.try_map(&f)?,
            session_minutes: self.session_minutes,
        })
    }
}
