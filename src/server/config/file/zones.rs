//! The domains' time zones.

use super::{Error, RawDomain, SourceText};
use calendar::{Zone, Zones};

/// The zones of the domains: `time_zone`, or UTC.
pub(super) fn of(source: &SourceText<'_>, domains: &[RawDomain]) -> Result<Zones, Error> {
    let zone = |domain: &RawDomain| {
        let name = domain.name.get_ref().as_str().into();
        let Some(text) = &domain.time_zone else { return Ok((name, Zone::UTC)) };
        let zone = Zone::named(text.get_ref()).ok_or_else(|| {
            let sentence = format!(
                "the time zone {:?} is not one of IANA's database, such as \"Europe/Stockholm\"",
                text.get_ref()
            );
            source.fault(text.span(), sentence)
        })?;
        Ok((name, zone))
    };
    Ok(Zones::new(domains.iter().map(zone).collect::<Result<Vec<_>, Error>>()?))
}
