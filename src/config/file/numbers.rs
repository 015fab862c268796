//! Times and sizes: whole numbers with bounds.

use toml::Spanned;

use super::{Error, RawRounds, RawStorage, RawTimeouts, Source, Storing, Timeouts};
use crate::limits;

/// A whole number from `least` to `most`, of a unit that the sentence about it names.
fn number(
    source: &Source<'_>,
    name: &str,
    value: Option<&Spanned<i64>>,
    (least, most): (u64, u64),
    unit: &str,
    default: u64,
) -> Result<u64, Error> {
    let Some(value) = value else { return Ok(default) };
    match u64::try_from(*value.get_ref()) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => {
            let is = value.get_ref();
            Err(source.fault(value.span(), format!("{name} is {is}; it must be {least} to {most} {unit}")))
        }
    }
}

/// The peers' times and the idle time of a session.
pub(super) fn timeouts(source: &Source<'_>, raw: &RawTimeouts) -> Result<(Timeouts, u64), Error> {
    let time = |name: &str, value: &Option<Spanned<i64>>, default: u64| {
        number(source, name, value.as_ref(), (1, limits::TIME_MS_MAX), "milliseconds", default)
    };
    let default = Timeouts::default();
    let timeouts = Timeouts {
        request_ms: time("request_ms", &raw.request_ms, default.request_ms)?,
        keep_alive_ms: time("keep_alive_ms", &raw.keep_alive_ms, default.keep_alive_ms)?,
        send_ms: time("send_ms", &raw.send_ms, default.send_ms)?,
        drain_ms: time("drain_ms", &raw.drain_ms, default.drain_ms)?,
    };
    Ok((timeouts, time("session_idle_ms", &raw.session_idle_ms, limits::SESSION_IDLE_MS)?))
}

/// Time that a closed round is remembered, milliseconds.
pub(super) fn retention(source: &Source<'_>, raw: &RawRounds) -> Result<u64, Error> {
    let bounds = (1, limits::RETENTION_MS_MAX);
    number(source, "retention_ms", raw.retention_ms.as_ref(), bounds, "milliseconds", limits::RETENTION_MS)
}

/// How the journal is kept.
pub(super) fn storing(source: &Source<'_>, raw: &RawStorage) -> Result<Storing, Error> {
    let default = Storing::default();
    let bounds = (0, limits::RESERVE_MIB_MAX);
    let reserve_mib =
        number(source, "reserve_mib", raw.reserve_mib.as_ref(), bounds, "mebibytes", default.reserve_mib)?;
    let bounds = (1, u64::from(limits::SNAPSHOT_SEGMENTS_MAX));
    let segments = raw.snapshot_segments.as_ref();
    let default = u64::from(default.snapshot_segments);
    let snapshot_segments = number(source, "snapshot_segments", segments, bounds, "segments", default)?;
    Ok(Storing { reserve_mib, snapshot_segments: snapshot_segments as u32 })
}
