//! The bounds that take many things to fill. In this crate's own tests they are lower, so that a test gets there in a
//! moment: what happens at a bound does not depend on how high it is.

#[cfg(not(test))]
pub(super) use limits::{ACCOUNTS_MAX, OPEN_ROUNDS_MAX, ROUNDS_MAX};

#[cfg(test)]
pub(super) const ACCOUNTS_MAX: usize = 1_024;
#[cfg(test)]
pub(super) const OPEN_ROUNDS_MAX: usize = 512;
#[cfg(test)]
pub(super) const ROUNDS_MAX: usize = 16_384;
