//! A shard's pure step: an operation at a time, and either its outcome or the shard that must go on with it.

use compact_str::CompactString;

use super::partition::{Partition, ShardId};
use crate::wallet::operation::Operation;
use crate::wallet::outcome::Outcome;
use crate::wallet::{Millis, Wallet};

/// A shard's wallet and its place in the partition. Lives on one core.
#[derive(Debug)]
pub struct Core {
    id: ShardId,
    partition: Partition,
    wallet: Wallet,
}

/// What remains to be done after a step.
#[derive(Debug)]
pub enum Step {
    /// The outcome was told.
    Done,
    /// Another shard goes on with this operation; nothing was told yet.
    Elsewhere(ShardId, Box<Operation<CompactString>>),
}

/// Steps of the longest way: key, account, key.
const STEPS_MAX: usize = 3;

impl Core {
    /// The core of shard `id`.
    pub const fn new(id: ShardId, partition: Partition, wallet: Wallet) -> Self {
        Self { id, partition, wallet }
    }

    /// This shard.
    pub const fn id(&self) -> ShardId {
        self.id
    }

    /// How the slots are dealt.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The wallet.
    pub const fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The wallet, to fill it before serving starts, and to sweep it.
    pub const fn wallet_mut(&mut self) -> &mut Wallet {
        &mut self.wallet
    }

    /// The shard that owns what `operation` is about.
    pub fn owner<S: AsRef<str>>(&self, operation: &Operation<S>) -> ShardId {
        self.partition.owner(operation.slot())
    }

    /// Applies `operation`, and the steps that follow from it as long as they are this shard's. `told` is given
    /// the outcome where there is one.
    ///
    /// # Panics
    /// Where the operation is another shard's: it would be applied to the wrong accounts.
    pub fn step(
        &mut self,
        now_ms: Millis,
        operation: &Operation<&str>,
        told: impl FnOnce(&Outcome<&str>),
    ) -> Step {
        assert!(self.owner(operation) == self.id, "an operation of another shard");
        let mut next = match self.wallet.apply(now_ms, operation) {
            Outcome::Next(next) => next,
            outcome => {
                told(&outcome);
                return Step::Done;
            }
        };
        for _ in 1..STEPS_MAX {
            let owner = self.owner(&next);
            if owner != self.id {
                return Step::Elsewhere(owner, next);
            }
            next = match self.wallet.apply(now_ms, &next.as_deref()) {
                Outcome::Next(next) => next,
                outcome => {
                    told(&outcome);
                    return Step::Done;
                }
            };
        }
        unreachable!("a way of more than {STEPS_MAX} steps")
    }
}
