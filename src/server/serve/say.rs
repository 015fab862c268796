//! Says lines on standard error, which nobody's reading may hold up: whoever says one looks after the data, follows the clock,
//! or ends the process.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::PIPE_BUF;

/// Says a sentence. Where standard error is full it is left out, and where it has become full the rest is; a closed one is no
/// reason to end.
pub fn say(sentence: &str) {
    line(&format!("purser: {sentence}"));
}

/// One line at a time, so that the room that one has found is not another's.
static SAYS: Mutex<()> = Mutex::new(());

/// Says a line that begins otherwise.
pub(super) fn line(line: &str) {
    let _one = SAYS.lock().unwrap_or_else(PoisonError::into_inner);
    let stderr = io::stderr();
    // A pipe that is ready takes so much at once. Past the lock of the standard library, which may be held by who waits.
    for part in format!("{line}\n").as_bytes().chunks(PIPE_BUF) {
        let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
        let has_room = poll(&mut room, Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
        if !has_room || rustix::io::write(&stderr, part).is_err() {
            return;
        }
    }
}
