//! `[connections]`: who may have how many.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::{Error, SourceText, number};
use crate::net::places::Policy;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConnections {
    max: Option<Spanned<i64>>,
    operator_max: Option<Spanned<i64>>,
    per_address: Option<Spanned<i64>>,
    exempt: Option<Vec<Spanned<String>>>,
}

pub(super) fn places(source: &SourceText<'_>, raw: &RawConnections) -> Result<Policy, Error> {
    let count = |name: &str, value: &Option<Spanned<i64>>, most: usize, default: u32| {
        let bounds = (1, most as u64);
        number(source, name, value.as_ref(), bounds, "connections", default.into()).map(|count| count as u32)
    };
    let default = Policy::default();
    let operator_most = limits::OPERATOR_CONNECTIONS_MAX;
    let operator_max = count("operator_max", &raw.operator_max, operator_most, default.operator_max)?;
    let most = limits::CONNECTIONS_MAX - limits::CONNECTIONS_SPARE - operator_max as usize;
    let platform_max = count("max", &raw.max, most, most as u32)?;
    let per_address = match &raw.per_address {
        None => None,
        own => Some(count("per_address", own, limits::CONNECTIONS_MAX, 0)?),
    };
    let exempt = match &raw.exempt {
        None => default.exempt,
        Some(networks) => exempt(source, networks)?,
    };
    Ok(Policy { platform_max, operator_max, per_address, exempt })
}

fn exempt(source: &SourceText<'_>, networks: &[Spanned<String>]) -> Result<Vec<IpNet>, Error> {
    if let Some(past) = networks.get(limits::EXEMPT_NETWORKS_MAX) {
        let sentence = format!("more than {} exempt networks", limits::EXEMPT_NETWORKS_MAX);
        return Err(source.fault(past.span(), sentence));
    }
    networks.iter().map(|text| network(text.get_ref()).map_err(|e| source.fault(text.span(), e))).collect()
}

/// A network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3). Bits behind the prefix are refused: `10.0.0.7/8` may be a slip of
/// the address or of the length, and one of them would exempt 16 million addresses.
fn network(text: &str) -> Result<IpNet, String> {
    let network: IpNet = text.parse().map_err(|_| {
        format!(
            "exempt: {text:?} is not a network in CIDR notation, such as \"10.0.0.0/8\" or \"192.0.2.7/32\""
        )
    })?;
    if network.trunc() != network {
        let trunc = network.trunc();
        return Err(format!(
            "exempt: {text:?} has bits behind its prefix; that network is {:?}",
            trunc.to_string()
        ));
    }
    // Clients are known by their IPv4 addresses on a listener of both families too.
    match network.addr() {
        IpAddr::V6(address) if network.prefix_len() >= 96 && address.to_ipv4_mapped().is_some() => {
            Err(format!("exempt: {text:?} is a network of IPv4; write it as one, such as \"10.0.0.0/8\""))
        }
        _ => Ok(network),
    }
}
