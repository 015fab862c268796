//! The state of one connection's message.

use super::chunked::Chunked;
use super::head::{self, BodyFraming, Head};
use super::request::Framed;
use super::status::Status;
use alloc::boxed::Box;
use limits::HEAD_BYTES_MAX;

/// Frames the messages of one connection, one after the other.
///
/// A message that has come whole is read once and leaves nothing behind. One that comes in pieces is never
/// read from its start for every piece, however small: the head is read again only when a line of it has been
/// completed, of which it has few; a complete head is remembered; a chunked body goes on where it stopped.
#[derive(Debug, Default)]
pub struct Framer {
    stage: FrameStage,
    /// The body of a chunked message. After its end it is kept for the request that borrows from it, until
    /// the next call.
    chunked: Option<Box<Chunked>>,
}

const _: () = assert!(size_of::<Framer>() <= 64, "every connection has one, idle or not");

#[derive(Debug)]
enum FrameStage {
    /// The head is not complete in so many bytes; 0 where not one byte of it has come.
    Head { looked: usize },
    /// The head is complete, the body is not.
    Body { head: Head },
    /// Refused; for good.
    Refused { status: Status },
}

impl Default for FrameStage {
    fn default() -> Self {
        Self::Head { looked: 0 }
    }
}

/// [`Framed`], before the request borrows its parts.
enum FrameStep {
    Complete { head: Head, consumed: usize },
    Partial,
    Continue,
}

impl Framer {
    /// What `input` amounts to: the bytes of the connection from the first of the present message on, as many
    /// as have come.
    ///
    /// After [`Framed::Complete`] the caller drops the bytes consumed and calls again with the rest, also when
    /// nothing is left: that call gives back what a chunked body took. After [`Framed::Partial`] and
    /// [`Framed::Continue`] it calls again with the same bytes and those that have come since. After
    /// [`Framed::Reject`] every call says the same. The module essay says which fault is named.
    pub fn frame<'a>(&'a mut self, input: &'a [u8]) -> Framed<'a> {
        match self.step(input) {
            Ok(FrameStep::Complete { head, consumed }) => {
                let body = match (head.body, &self.chunked) {
                    (BodyFraming::Chunked, Some(chunked)) => chunked.content(),
                    _ => &input[usize::from(head.bytes)..consumed],
                };
                Framed::Complete { request: head.request(input, body), consumed }
            }
            Ok(FrameStep::Partial) => Framed::Partial,
            Ok(FrameStep::Continue) => Framed::Continue,
            Err(status) => {
                *self = Self { stage: FrameStage::Refused { status }, chunked: None };
                Framed::Reject(status)
            }
        }
    }

    /// Whether no byte of a message has been seen since the last one was complete. Empty lines before a
    /// request line are none, so a client that sends one too many is idle.
    pub fn is_idle(&self) -> bool {
        matches!(self.stage, FrameStage::Head { looked: 0 })
    }

    /// Whether a head is complete and its body is not.
    pub fn in_body(&self) -> bool {
        matches!(self.stage, FrameStage::Body { .. })
    }

    fn step(&mut self, input: &[u8]) -> Result<FrameStep, Status> {
        let mut head = match self.stage {
            FrameStage::Refused { status } => return Err(status),
            FrameStage::Body { head } => head,
            FrameStage::Head { looked } => match self.head(input, looked)? {
                Some(head) => head,
                None => return Ok(FrameStep::Partial),
            },
        };
        let start = usize::from(head.bytes);
        let end = match head.body {
            BodyFraming::Length(length) => Some(start + length as usize).filter(|&end| end <= input.len()),
            BodyFraming::Chunked => {
                self.chunked.get_or_insert_with(|| Box::new(Chunked::new(start))).decode(input)?
            }
        };
        if let Some(consumed) = end {
            self.stage = FrameStage::default();
            return Ok(FrameStep::Complete { head, consumed });
        }
        // Who has sent some of the body waits for nothing (RFC 9110 §10.1.1).
        let waits = head.waits_for_continue && input.len() == start;
        head.waits_for_continue &= !waits;
        self.stage = FrameStage::Body { head };
        Ok(if waits { FrameStep::Continue } else { FrameStep::Partial })
    }

    /// The head of a message of which `looked` bytes were looked at in vain.
    ///
    /// The first bytes are always read, so that what is no HTTP, such as a TLS handshake, is refused at once.
    /// After them only a line feed can complete the head or a line of it, and every line but the first few is
    /// a field, of which there is a bound. A head out of room is read to find out why.
    fn head(&mut self, input: &[u8], looked: usize) -> Result<Option<Head>, Status> {
        if looked == 0 {
            self.chunked = None;
        } else if input.len() < HEAD_BYTES_MAX && !input.get(looked..).is_some_and(|new| new.contains(&b'\n'))
        {
            self.stage = FrameStage::Head { looked: input.len() };
            return Ok(None);
        }
        let head = head::read(input)?;
        if head.is_none() {
            let begun = head::empty_lines(input) < input.len();
            self.stage = FrameStage::Head { looked: if begun { input.len() } else { 0 } };
        }
        Ok(head)
    }
}
