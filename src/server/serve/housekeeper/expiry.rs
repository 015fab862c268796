//! The thread that counts what is in the archive, and removes what is older than it is to be kept.

use std::sync::Arc;

use rustix::process::nice;

use super::rest;
use crate::data::{Archived, Archiver};
use crate::serve::say::say;
use crate::serve::{Error, background};
use clock::Clock;
use metrics::Registry;

/// Starts it; it goes on for as long as the process lives.
///
/// # Errors
/// Where the system has no thread for it.
pub(super) fn start(archiver: Archiver, registry: Arc<Registry>, clock: Clock) -> Result<(), Error> {
    background::start("archive", move || {
        let _ = nice(limits::HOUSEKEEPER_NICE);
        // What is archived from now on is counted where it is.
        if let Ok(size) = archiver.size() {
            registry.archived(size.files, size.bytes);
        }
        let mut said = None;
        loop {
            let mut removed = Archived::default();
            let failed =
                archiver.expire(clock.now().wall_ms, &mut removed).err().map(|error| error.to_string());
            // What was removed before it failed is gone.
            registry.unarchived(removed.files, removed.bytes);
            if let Some(sentence) = failed.as_ref().filter(|_| failed != said) {
                say(&format!("what is too old can't be removed from the archive: {sentence}"));
            }
            said = failed;
            (0..limits::ARCHIVE_EXPIRY_SWEEPS).for_each(|_| rest());
        }
    })
}
