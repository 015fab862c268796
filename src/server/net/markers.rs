//! Markers for tracers (USDT): one at each stage of every request, of the provider `purser`.
//!
//! A marker is one `nop` and a note in the program's file; a tracer puts a breakpoint there and reads the arguments from
//! registers. So they are values that are at hand, and integers. `request` is unique in the process's life, its 16
//! highest bits being the shard; `connection` is unique among those of a shard. `docs/profiling.md` lists them for who
//! traces.

use super::stages::RequestId;
use partition::ShardId;
use ring::ConnectionId;
use wallet::Sequence;

/// A request is whole, and has this many bytes.
#[inline]
pub(super) fn request_framed(request: RequestId, connection: ConnectionId, bytes: usize) {
    probe::probe!(purser, request_framed, request.number(), connection.number(), bytes);
}

/// A request is an operation, or was refused; its call by index.
#[inline]
pub(super) fn request_decoded(request: RequestId, call: usize) {
    probe::probe!(purser, request_decoded, request.number(), call);
}

/// The outcome is there. The answer waits until `after` is durable, where that is not 0.
#[inline]
pub(super) fn request_applied(request: RequestId, call: usize, after: Sequence) {
    probe::probe!(purser, request_applied, request.number(), call, after);
}

/// The request goes on at another shard.
#[inline]
pub(super) fn request_sent_to_shard(request: RequestId, call: usize) {
    probe::probe!(purser, request_sent_to_shard, request.number(), call);
}

/// The outcome has come back from another shard; `after` as in [`request_applied`].
#[inline]
pub(super) fn request_back_from_shard(request: RequestId, call: usize, after: Sequence) {
    probe::probe!(purser, request_back_from_shard, request.number(), call, after);
}

/// What the answer waited for is durable.
#[inline]
pub(super) fn request_durable(request: RequestId, call: usize, after: Sequence) {
    probe::probe!(purser, request_durable, request.number(), call, after);
}

/// The answer is written; its body has this many bytes.
#[inline]
pub(super) fn reply_encoded(request: RequestId, call: usize, bytes: usize) {
    probe::probe!(purser, reply_encoded, request.number(), call, bytes);
}

/// Answers of this many bytes were given to the ring.
#[inline]
pub(super) fn reply_handed_over(connection: ConnectionId, bytes: usize) {
    probe::probe!(purser, reply_handed_over, connection.number(), bytes);
}

/// The kernel has sent the answers that were handed over last, or can't.
#[inline]
pub(super) fn reply_sent(connection: ConnectionId, bytes: usize) {
    probe::probe!(purser, reply_sent, connection.number(), bytes);
}

/// A group of this many bytes was given to the disk; `last` is its last change.
#[inline]
pub(super) fn group_handed_over(shard: ShardId, last: Sequence, bytes: usize) {
    probe::probe!(purser, group_handed_over, shard.index(), last, bytes);
}

/// The group whose last change is `last` is durable.
#[inline]
pub(super) fn group_durable(shard: ShardId, last: Sequence) {
    probe::probe!(purser, group_durable, shard.index(), last);
}
