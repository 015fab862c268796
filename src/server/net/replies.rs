//! The answers of one connection, in the order of its requests (RFC 9112 §9.3.2).
//!
//! Most answers are there at once and go straight to the bytes to be sent. One that comes from another core, or that
//! shows a change which is not durable yet, takes a place, and what is answered after it waits behind it.

use std::collections::VecDeque;

use super::pool::Pool;
use api::Call;
use wallet::Sequence;

/// How an answer is written, whatever it says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// What it says of the connection.
    pub(super) persistence: http::Persistence,
    /// It leaves its body out, since `HEAD` asked.
    pub(super) omit_body: bool,
}

/// What an answer needs to know of its request, once the request's bytes are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// The call.
    pub(super) call: Call,
    /// How the answer is written.
    pub(super) form: Form,
    /// A refusal says why.
    pub(super) describe: bool,
    /// When its last byte came, microseconds of the core's clock.
    pub(super) arrived_us: u64,
}

#[derive(Debug)]
enum ReplySlot {
    /// Another core will answer.
    Waiting(Expected),
    /// Answered; a place before it is not, or the change of this sequence is not durable.
    Ready(Vec<u8>, Sequence),
}

/// The answers of one connection.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// Answers to be sent, in order.
    out: Vec<u8>,
    places: VecDeque<ReplySlot>,
    /// Bytes of the answers in places, as far as they were counted.
    placed_bytes: usize,
    /// Places that another core will answer.
    under_way: usize,
    /// The last change that is durable, as far as this connection was told.
    durable: Sequence,
    /// The number of the first place; numbers grow by one with each place, round and round.
    first: u32,
}

/// More places than this are given back when they are empty, so that an idle connection is small.
const PLACES_KEPT: usize = 4;

impl Replies {
    /// Answers that wait for another core, and those behind them.
    pub(super) fn waiting(&self) -> usize {
        self.places.len()
    }

    /// Answers that wait for another core.
    pub(super) const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Bytes that may be sent.
    pub(super) fn ready_bytes(&self) -> usize {
        self.out.len()
    }

    /// Bytes of all answers that are written, whatever they wait for.
    pub(super) fn bytes(&self) -> usize {
        self.out.len() + self.placed_bytes
    }

    /// Counts the answer that [`Replies::next`] was asked a place for, now that it is written. Its place was `number` where
    /// it took one.
    pub(super) fn count(&mut self, number: u32) {
        if let Some(ReplySlot::Ready(bytes, _)) = self.places.get(number.wrapping_sub(self.first) as usize) {
            self.placed_bytes += bytes.len();
        }
    }

    /// Takes the bytes that may be sent.
    pub(super) fn take_ready(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// The number of the place that [`Replies::wait`] would take.
    pub(super) fn next_place(&self) -> u32 {
        self.first.wrapping_add(self.places.len() as u32)
    }

    /// Whether the answer of place `number`, taken before, is sent or among the bytes that may be.
    pub(super) fn is_past(&self, number: u32) -> bool {
        // Numbers go round and round; of places taken so far, those before the first are behind it by less than half.
        (number.wrapping_sub(self.first) as i32) < 0
    }

    /// Takes a place for an answer that another core will give.
    pub(super) fn wait(&mut self, expected: Expected) {
        self.under_way += 1;
        self.places.push_back(ReplySlot::Waiting(expected));
    }

    /// Where the next answer is written, which nobody may read before the change of sequence `after` is durable;
    /// behind the places that wait, if any do.
    pub(super) fn next(&mut self, after: Sequence, pool: &mut Pool) -> &mut Vec<u8> {
        if self.places.is_empty() && after <= self.durable {
            return pool.stock(&mut self.out);
        }
        self.places.push_back(ReplySlot::Ready(pool.take(), after));
        match self.places.back_mut() {
            Some(ReplySlot::Ready(bytes, _)) => bytes,
            _ => unreachable!("it was put there"),
        }
    }

    /// Has `write` write the answer of place `number`, which nobody may read before the change of sequence `after` is
    /// durable, and lets go what waited for it alone.
    ///
    /// # Panics
    /// Where that place does not wait: an answer would stand in another's stead.
    pub(super) fn fill(
        &mut self,
        number: u32,
        after: Sequence,
        pool: &mut Pool,
        write: impl FnOnce(&Expected, &mut Vec<u8>),
    ) {
        let at = number.wrapping_sub(self.first) as usize;
        let Some(ReplySlot::Waiting(expected)) = self.places.get(at) else {
            unreachable!("place {number} does not wait for an answer");
        };
        self.under_way -= 1;
        if at > 0 || after > self.durable {
            let mut bytes = pool.take();
            write(expected, &mut bytes);
            self.placed_bytes += bytes.len();
            self.places[at] = ReplySlot::Ready(bytes, after);
            return;
        }
        let expected = *expected;
        self.pop();
        write(&expected, pool.stock(&mut self.out));
        self.release_ready(pool);
    }

    /// What was changed up to `durable` is on stable storage: lets go what waited for it.
    pub(super) fn on_durable(&mut self, durable: Sequence, pool: &mut Pool) {
        self.durable = self.durable.max(durable);
        self.release_ready(pool);
    }

    fn release_ready(&mut self, pool: &mut Pool) {
        while let Some(ReplySlot::Ready(_, after)) = self.places.front()
            && *after <= self.durable
        {
            if let Some(ReplySlot::Ready(bytes, _)) = self.pop() {
                self.placed_bytes -= bytes.len();
                if self.out.is_empty() {
                    pool.give(std::mem::replace(&mut self.out, bytes));
                } else {
                    self.out.extend_from_slice(&bytes);
                    pool.give(bytes);
                }
            }
        }
        if self.places.is_empty() && self.places.capacity() > PLACES_KEPT {
            self.places = VecDeque::new();
        }
    }

    fn pop(&mut self) -> Option<ReplySlot> {
        self.first = self.first.wrapping_add(1);
        self.places.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            call: Call::Balance,
            form: Form { persistence: http::Persistence::Default, omit_body: false },
            describe: false,
            arrived_us: 0,
        }
    }

    /// Plays a script: `w` takes a place, a digit fills that place, a capital letter is answered at once, a small one
    /// likewise but after the change of its number in the alphabet; `!x` makes the changes up to that one durable, and
    /// `?x` has the next digit's answer wait for it.
    #[track_caller]
    fn check(script: &str, expect: &str) {
        let (mut replies, mut pool) = (Replies::default(), Pool::default());
        replies.first = u32::MAX - 1;
        let mut places = Vec::new();
        let (mut script_left, mut after) = (script.bytes(), 0);
        let sequence = |letter: u8| Sequence::from(letter - b'a' + 1);
        while let Some(step) = script_left.next() {
            match step {
                b'w' => {
                    places.push(replies.next_place());
                    replies.wait(expected());
                }
                b'!' => replies.on_durable(sequence(script_left.next().unwrap()), &mut pool),
                b'?' => after = sequence(script_left.next().unwrap()),
                b'0'..=b'9' => {
                    let place = places[usize::from(step - b'0')];
                    replies.fill(place, std::mem::take(&mut after), &mut pool, |_, out| out.push(step));
                }
                answer => {
                    let place = replies.next_place();
                    let after = if answer.is_ascii_lowercase() { sequence(answer) } else { 0 };
                    replies.next(after, &mut pool).push(answer);
                    replies.count(place);
                }
            }
            let answers = script[..script.len() - script_left.len()].bytes();
            let written = answers.scan(b' ', |before, step| {
                let is_answer = step.is_ascii_alphanumeric() && step != b'w' && !b"!?".contains(before);
                *before = step;
                Some(usize::from(is_answer))
            });
            assert_eq!(replies.bytes(), written.sum::<usize>(), "{script}");
        }
        assert_eq!(String::from_utf8(replies.take_ready()).unwrap(), expect, "{script}");
        let waiting = |place: &&ReplySlot| matches!(place, ReplySlot::Waiting(_));
        assert_eq!(replies.under_way(), replies.places.iter().filter(waiting).count(), "{script}");
    }

    #[test]
    fn answers_go_out_in_the_order_of_their_requests() {
        check("ABC", "ABC");
        check("Aw", "A");
        check("AwB", "A");
        check("AwB0", "A0B");
        check("AwBC0D", "A0BCD");
        check("ww1", "");
        check("ww10", "01");
        check("wwA1B0", "01AB");
        check("wAwB1", "");
        check("wAwB10C", "0A1BC");
        check("wAwB01C", "0A1BC");
        check("www201", "012");
    }

    #[test]
    fn a_place_is_past_once_its_answer_may_be_sent() {
        let (mut replies, mut pool) = (Replies::default(), Pool::default());
        replies.first = u32::MAX;
        let places = [0, 1].map(|_| {
            let place = replies.next_place();
            replies.wait(expected());
            place
        });
        let past = |replies: &Replies| places.map(|place| replies.is_past(place));
        replies.fill(places[1], 0, &mut pool, |_, out| out.push(b'1'));
        assert_eq!(past(&replies), [false, false]);
        replies.fill(places[0], 5, &mut pool, |_, out| out.push(b'0'));
        assert_eq!(past(&replies), [false, false]);
        replies.on_durable(5, &mut pool);
        assert_eq!((past(&replies), replies.take_ready()), ([true, true], b"01".to_vec()));
    }

    #[test]
    fn an_answer_waits_until_what_it_shows_is_durable() {
        check("a", "");
        check("a!a", "a");
        check("aB", "");
        check("aB!a", "aB");
        check("abC!a", "a");
        check("abC!b", "abC");
        check("ba!a", "");
        check("ba!b", "ba");
        check("!bab", "ab");
        check("wa0", "0");
        check("wa!a", "");
        check("wa!a0", "0a");
        check("w?a0", "");
        check("w?a0B!a", "0B");
        check("ww?b1?a0!a", "0");
        check("ww?b1?a0!b", "01");
    }
}
