//! What a turn serves: the bytes that have come, and who waits in the core's queues, for as long as the turn has time.

use super::connection::{Connection, QueueKind, Server};
use super::intake::Intake;
use super::queues::Queues;
use super::responder::Service;
use super::{Driver, NS_PER_MS, find, touch};
use ring::{ConnectionId, Lease, Received};

impl Driver {
    /// A turn has begun, and takes in what has come since the last one did.
    pub(super) const fn note_hold_up(&mut self) {
        let now_ns = self.responder.now.mono_ns;
        if now_ns.saturating_sub(self.looked_ns) >= limits::MAY_HAVE_GONE_AFTER_MS * NS_PER_MS {
            (self.held_up_since_ns, self.held_up_ns) = (self.looked_ns, now_ns);
        }
    }

    pub(super) fn on_received(&mut self, id: ConnectionId, received: Received) {
        let now = self.responder.now;
        let connection = find(&mut self.connections, id).expect("an open connection receives");
        connection.on_received();
        match received {
            Received::Bytes(lease) => return self.on_bytes(id, lease),
            Received::Discarded(_) => connection.on_discarded(now.mono_ms()),
            Received::End => {
                if !connection.on_end(now.mono_ns, self.looked_ns) {
                    self.metrics.request_gone();
                    gave_up(&mut self.queues, &mut self.intake, connection, now.mono_ns);
                }
            }
            Received::NoBuffer => connection.on_no_buffer(),
            Received::Cancelled => connection.on_cancelled(),
            Received::Failed(_) => {
                if connection.queue() == Some(QueueKind::New) {
                    self.metrics.request_gone();
                    gave_up(&mut self.queues, &mut self.intake, connection, now.mono_ns);
                }
                connection.abort();
            }
        }
        touch(&mut self.touched, connection);
    }

    fn on_bytes(&mut self, id: ConnectionId, lease: Lease) {
        let connection = find(&mut self.connections, id).expect("an open connection receives");
        // Who has come before is served before; and the operator's calls have their own share of the turn.
        let waits = connection.is_queued
            || connection.service() == Service::Operator
            || self.queues.waiting_new() > 0;
        let now_ns = self.responder.now.mono_ns;
        // What has come meanwhile is not all taken in by the next turn; a while later it is.
        let is_soon = now_ns < self.held_up_ns + limits::MAY_HAVE_GONE_AFTER_MS * NS_PER_MS;
        if is_soon && connection.was_armed_before(self.held_up_ns) {
            connection.may_have_waited(self.held_up_since_ns, now_ns);
        }
        let is_followed = lease.is_followed();
        let waits = waits || is_followed && connection.may_be_old(now_ns);
        let share = if waits { 0 } else { self.budget.share_at_once() };
        let (responder, shard) = (&mut self.responder, &mut self.shard);
        connection.on_bytes(self.ring.bytes(&lease), &mut Server { responder, shard, share });
        self.ring.release(lease);
        touch(&mut self.touched, connection);
        // At once, so that it is evicted for nobody who comes in the same turn.
        self.places.set_busy(id.slot() as u32);
        if share == 0 {
            if is_followed {
                connection.look_behind();
            } else {
                // At once, so that those who come later in this turn wait behind it.
                enqueue(&mut self.queues, connection);
            }
        } else {
            self.intake.on_served();
        }
    }

    /// Serves who waits in the queues, for as long as the turn has time.
    pub(super) fn serve_queues(&mut self) -> bool {
        if self.queues.is_empty() {
            return false;
        }
        let now_ns = self.responder.now.mono_ns;
        self.budget.begin_queues();
        while self.queues.waiting_new() > 0 {
            let share = self.budget.share_of_queued();
            if share == 0 {
                break;
            }
            let Some(id) = self.queues.next_new(now_ns, self.intake.is_bounded()) else { break };
            self.serve_waiting(id, share);
        }
        // The operator's calls take longer each, and nobody plays by them: a little in each turn, one after the other.
        let until_us = self.budget.elapsed_us() + limits::TURN_OPERATOR_US;
        for _ in 0..self.queues.waiting_operator() {
            let Some(id) = self.queues.next_operator() else { break };
            self.serve_waiting(id, 1);
            if self.budget.elapsed_us() >= until_us {
                break;
            }
        }
        let until_us = self.budget.elapsed_us() + limits::TURN_MORE_US;
        for _ in 0..self.queues.waiting_more() {
            let Some(id) = self.queues.next_more() else { break };
            // While others wait for their first one, each has one.
            let share = if self.queues.waiting_new() > 0 { 1 } else { limits::REQUESTS_PER_TURN };
            self.serve_waiting(id, share);
            if self.budget.elapsed_us() >= until_us {
                break;
            }
        }
        true
    }

    /// Serves a connection that has waited in a queue.
    fn serve_waiting(&mut self, id: ConnectionId, share: usize) {
        // It may have ended meanwhile.
        if let Some(connection) = find(&mut self.connections, id) {
            connection.is_queued = false;
            let is_served = connection.is_to_be_served() && connection.service() == Service::Platform;
            let (responder, shard) = (&mut self.responder, &mut self.shard);
            connection.serve_backlog(&mut Server { responder, shard, share });
            touch(&mut self.touched, connection);
            // Refused because it had waited for too long: as good as given up.
            if self.responder.was_late() && connection.service() == Service::Platform {
                self.queues.gave_up(connection.client(), self.responder.now.mono_ns);
            }
            if is_served {
                self.intake.on_served();
            }
        }
    }
}

/// A request of the connection that waited in its queue was given up.
fn gave_up(queues: &mut Queues, intake: &mut Intake, connection: &Connection, now_ns: u64) {
    // The operator has one queue for all.
    if connection.service() == Service::Platform {
        queues.gave_up(connection.client(), now_ns);
        intake.on_gave_up();
    }
}

/// Has the connection wait in its queue, where it has something to be served.
pub(super) fn enqueue(queues: &mut Queues, connection: &mut Connection) {
    if connection.is_queued {
        return;
    }
    if let Some(queue) = connection.queue() {
        connection.is_queued = true;
        let (client, service) = (connection.client(), connection.service());
        queues.push(connection.id(), client, service, queue, connection.arrived_ns());
    }
}
