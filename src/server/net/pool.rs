//! Buffers for answers, used again and again on one core, so that an idle connection holds none.

/// What a buffer has at first: an answer of any platform call, or a few.
const BUFFER_BYTES: usize = 1_024;

/// A larger one is not kept.
const BUFFER_KEPT_BYTES: usize = 16 * 1_024;

/// Buffers kept; with [`BUFFER_KEPT_BYTES`] at most 16 MiB, and of the usual ones 1 MiB.
const BUFFERS_KEPT: usize = 1_024;

/// Empty buffers of one core.
#[derive(Debug, Default)]
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
}

impl Pool {
    /// An empty buffer with room.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
    }

    /// Gives `buffer` room where it has none.
    pub(super) fn stock<'a>(&mut self, buffer: &'a mut Vec<u8>) -> &'a mut Vec<u8> {
        if buffer.capacity() == 0 {
            *buffer = self.take();
        }
        buffer
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if (BUFFER_BYTES..=BUFFER_KEPT_BYTES).contains(&capacity) && self.buffers.len() < BUFFERS_KEPT {
            buffer.clear();
            self.buffers.push(buffer);
        }
    }
}
