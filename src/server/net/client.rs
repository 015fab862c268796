//! Clients as far as they can be told apart before they have said anything: by address.

use std::net::IpAddr;

/// A client. An IPv6 one may choose among all addresses of its network, so that the network is what it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    V4(u32),
    /// The upper half of its address.
    V6(u64),
}

impl Client {
    /// The client at `address`. An IPv4 address is the same in each way to write it.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}
