//! What a shard asks of its history: the filter at once, the files through two threads of its own. A statement goes through all
//! rounds of an account, and bets would wait behind it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use compact_str::CompactString;
use crossbeam_queue::ArrayQueue;

use super::{Error, background};
use crate::data::{OpenHistory, ShardHistory};
use ::history::Room;
use clock::Clock;
use journal::reader::ReadError;
use metrics::HistorySize;
use partition::ShardId;
use shard::history::{Answer, Found, History};
use shard::mesh::Mesh;
use storage::FileError;
use wallet::Millis;
use wallet::account::AccountRef;
use wallet::history::{PastLines, RoundName};
use wallet::image::RoundImage;

/// A round that is looked for, or an account whose rounds are looked through.
struct Job {
    ticket: u32,
    /// As it was when it was asked.
    history: Arc<OpenHistory>,
    what: What,
    /// Past it nobody waits any more, milliseconds of the wallet's time.
    deadline_ms: Millis,
}

enum What {
    Round(RoundName<CompactString>),
    Lines { account: Box<str>, lines: PastLines },
}

/// The history of a shard as its core sees it.
pub(super) struct Reader {
    shared: Arc<ShardHistory>,
    current: Arc<OpenHistory>,
    is_fresh: bool,
    rounds: SyncSender<Job>,
    statements: SyncSender<Job>,
    answers: Arc<ArrayQueue<Answer>>,
}

impl Reader {
    /// Starts the threads that read for this shard.
    ///
    /// # Errors
    /// Where the system has none.
    pub(super) fn start(
        id: ShardId,
        mesh: &Arc<Mesh>,
        shared: Arc<ShardHistory>,
        clock: &Clock,
    ) -> Result<Self, Error> {
        let answers = Arc::new(ArrayQueue::new(limits::LOOKUPS_MAX));
        let start = |name: &str| {
            let (send, receive) = sync_channel(limits::LOOKUPS_MAX);
            let (mesh, answers, clock) = (Arc::clone(mesh), Arc::clone(&answers), clock.clone());
            background::start(name, move || answer(&receive, id, &mesh, &answers, &clock))?;
            Ok(send)
        };
        let (rounds, statements) = (start("history")?, start("statements")?);
        let current = shared.current();
        Ok(Self { shared, current, is_fresh: true, rounds, statements, answers })
    }
}

/// Reads what is asked for, as long as the shard lives.
fn answer(jobs: &Receiver<Job>, id: ShardId, mesh: &Mesh, answers: &ArrayQueue<Answer>, clock: &Clock) {
    let mut room = Room::default();
    while let Ok(Job { ticket, history, what, deadline_ms }) = jobs.recv() {
        let is_late = || clock.now().wall_ms > deadline_ms;
        let found = if is_late() { Ok(Found::Late) } else { read(&mut room, &history, what, is_late) };
        let answer = Answer { ticket, found };
        assert!(answers.push(answer).is_ok(), "there are as many places as may be asked for");
        mesh.wake(id);
    }
}

fn read(
    room: &mut Room,
    history: &OpenHistory,
    what: What,
    is_late: impl Fn() -> bool,
) -> Result<Found, FileError> {
    match what {
        What::Round(name) => {
            let found = history.files.find_named(room, &name);
            found.map(Found::Rounds).map_err(file_error)
        }
        What::Lines { account, mut lines } => {
            let (mut bad, mut has_ended, mut rounds) = (None, false, 0_usize);
            let goes_on = |round: RoundImage| {
                if let Err(fault) = lines.add(&round) {
                    bad = Some(fault);
                }
                rounds += 1;
                has_ended = rounds.is_multiple_of(limits::STATEMENT_ROUNDS_PER_LOOK) && is_late();
                !has_ended
            };
            history.files.rounds_while(&AccountRef::new(&*account), goes_on).map_err(file_error)?;
            match bad {
                None if has_ended => Ok(Found::Late),
                None => Ok(Found::Lines(lines)),
                Some(fault) => Err(FileError::of_contents("the history", fault.0)),
            }
        }
    }
}

fn file_error(error: ReadError<FileError>) -> FileError {
    match error {
        ReadError::Caller(error) => error,
        ReadError::Damage(damage) => FileError::of_contents(damage.file.clone(), damage.to_string()),
    }
}

impl History for Reader {
    fn refresh(&mut self) -> Option<Millis> {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if self.shared.number() == self.current.number && !is_fresh {
            return None;
        }
        let version = self.current.version;
        self.current = self.shared.current();
        // What was asked of the same files has the same answer, whatever the filter is.
        (self.current.version != version || is_fresh).then_some(self.current.list.cut_ms)
    }

    fn has_any(&self) -> bool {
        !self.current.list.files.is_empty()
    }

    fn has_by_game(&self) -> bool {
        self.current.files.has_by_game()
    }

    fn may_have(&self, name: &RoundName<&str>, meanwhile: &mut dyn FnMut()) -> bool {
        self.current.files.may_have_named(name, meanwhile)
    }

    fn look_for(&mut self, ticket: u32, name: &RoundName<&str>, deadline_ms: Millis) {
        let (history, what) = (Arc::clone(&self.current), What::Round(name.to_owned()));
        let job = Job { ticket, history, what, deadline_ms };
        let sent = self.rounds.try_send(job);
        assert!(sent.is_ok(), "there are as many places as may be asked for");
    }

    fn look_through(&mut self, ticket: u32, account: &str, lines: PastLines, deadline_ms: Millis) {
        let what = What::Lines { account: account.into(), lines };
        let history = Arc::clone(&self.current);
        let sent = self.statements.try_send(Job { ticket, history, what, deadline_ms });
        assert!(sent.is_ok(), "there are as many places as may be asked for");
    }

    fn next(&mut self) -> Option<Answer> {
        self.answers.pop()
    }

    fn is_idle(&self) -> bool {
        self.answers.is_empty()
    }

    fn size(&self) -> HistorySize {
        let files = &self.current.files;
        HistorySize {
            rounds: files.rows(),
            files: files.files().len() as u64,
            bytes: files.bytes_on_disk(),
            memory_bytes: files.memory_bytes(),
        }
    }
}
