//! Those who do nothing wrong: what they ask, and what they had to wait.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::answer::StreamedAnswer;
use super::call::{AccountRange, Call, OTHERS};
use super::paced::{self, End, Exchange, PacedPlayer, Pacing, Verdict};
use super::site::CLIENT_CORE;
use crate::load::Clock;
use crate::machine;

/// The address that they come from, which no attacker shares.
pub(crate) const OTHERS_FROM: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A client that asks for balances, and for a token every fourth time. Neither waits for the disk, so that a wait is the
/// server's.
#[derive(Debug)]
struct Other {
    /// Its number among the others, from 0.
    number: u64,
    asked: u64,
    accounts: AccountRange,
}

impl PacedPlayer for Other {
    fn ask(&mut self, out: &mut Vec<u8>) {
        let call = if self.asked % 4 == 3 { Call::CreateToken(OTHERS) } else { Call::Balance(OTHERS) };
        // Each goes its own way through the accounts.
        call.write(self.number * 17 + self.asked, self.accounts, out);
        self.asked += 1;
    }

    fn answered(&mut self, answer: &StreamedAnswer<'_>) -> Verdict {
        if answer.is_refusal() {
            Verdict::Refused
        } else if answer.status == 200 && answer.code() == Some(0) {
            Verdict::Good
        } else {
            Verdict::Wrong(format!("{} {}", answer.status, String::from_utf8_lossy(answer.body)))
        }
    }

    fn broken(&mut self) {}
}

/// The others, on a thread of their own.
#[derive(Debug)]
pub(crate) struct Others {
    samples: Arc<Mutex<Vec<Exchange>>>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), String>>,
}

/// How the others play.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BystanderManner {
    pub(crate) connections: u16,
    /// Requests per second of all of them.
    pub(crate) rate: f64,
    pub(crate) accounts: AccountRange,
    pub(crate) has_cores: bool,
}

impl Others {
    /// Starts them.
    ///
    /// # Errors
    /// A sentence, where there is no thread to be had.
    pub(crate) fn start(clock: Clock, to: SocketAddr, manner: BystanderManner) -> Result<Self, String> {
        let (samples, is_over) = (Arc::<Mutex<Vec<Exchange>>>::default(), Arc::<AtomicBool>::default());
        let (record, over) = (Arc::clone(&samples), Arc::clone(&is_over));
        let play = move || {
            if manner.has_cores {
                machine::pin(CLIENT_CORE)?;
            }
            let players = (0..u64::from(manner.connections)).map(|number| Other {
                number,
                asked: 0,
                accounts: manner.accounts,
            });
            let (rate, from) = (Some(manner.rate), Some(OTHERS_FROM));
            let is_cut = AtomicBool::new(false);
            let pace = Pacing { clock, to, from, rate, is_over: &over, is_cut: &is_cut };
            let record = |sample| record.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            let played = paced::drive(pace, players.collect(), record);
            played.map(drop).map_err(|error| format!("the others: {error}"))
        };
        let thread = thread::Builder::new().name("others".to_owned()).spawn(play);
        let thread = thread.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Self { samples, is_over, thread })
    }

    /// Ends them once their last answers have come.
    ///
    /// # Errors
    /// A sentence, where they could not play.
    pub(crate) fn stop(self) -> Result<Vec<Exchange>, String> {
        self.is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().expect("others without a fault")?;
        let samples = std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(samples)
    }
}

/// What the others had in a span of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Waits {
    pub(crate) requests: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) most_ns: u64,
    pub(crate) refused: u64,
    /// Requests whose connection ended, or that were not answered.
    pub(crate) broken: u64,
    /// The first answer that was against the protocol, and how many there were.
    pub(crate) wrong: Option<(String, u64)>,
}

impl Waits {
    /// Of the requests that were due in this span.
    pub(crate) fn of(samples: &[Exchange], due_ns: std::ops::Range<u64>) -> Self {
        let mut waits = Self::default();
        let mut latencies = Vec::new();
        for sample in samples.iter().filter(|sample| due_ns.contains(&sample.due_ns)) {
            latencies.push(sample.latency_ns());
            match &sample.end {
                End::Told(Verdict::Good) => {}
                End::Told(Verdict::Refused) => waits.refused += 1,
                End::Told(Verdict::Wrong(text)) => waits.wrong.get_or_insert((text.clone(), 0)).1 += 1,
                End::Broken => waits.broken += 1,
            }
        }
        latencies.sort_unstable();
        let rank = |percent: usize| (latencies.len() * percent).div_ceil(100).saturating_sub(1);
        waits.requests = latencies.len() as u64;
        if !latencies.is_empty() {
            waits.p50_ns = latencies[rank(50)];
            waits.p99_ns = latencies[rank(99)];
            waits.most_ns = latencies[latencies.len() - 1];
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_a_span() {
        let sample = |due_ns, latency_ns, end| Exchange { due_ns, ended_ns: due_ns + latency_ns, end };
        let mut samples: Vec<Exchange> =
            (0..200).map(|at| sample(at, at % 100 + 1, End::Told(Verdict::Good))).collect();
        samples.push(sample(50, 1_000, End::Broken));
        samples.push(sample(51, 1, End::Told(Verdict::Refused)));
        samples.push(sample(52, 1, End::Told(Verdict::Wrong("no".to_owned()))));
        let waits = Waits::of(&samples, 0..100);
        assert_eq!((waits.requests, waits.p50_ns, waits.p99_ns, waits.most_ns), (103, 50, 100, 1_000));
        assert_eq!((waits.refused, waits.broken, waits.wrong), (1, 1, Some(("no".to_owned(), 1))));
        assert_eq!(Waits::of(&samples, 100..101).requests, 1);
        assert_eq!(Waits::of(&[], 0..100), Waits::default());
    }
}
