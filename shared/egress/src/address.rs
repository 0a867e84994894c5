//! Which addresses a request may go to: the IANA special-purpose registries as two tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What lies behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The public internet.
    Public,
    /// This machine: `127.0.0.0/8` and `::1`.
    Loopback,
    /// Private, link-local, multicast, reserved, a tunnel, documentation, …
    Special,
}

/// Judges an address by the IANA special-purpose registries.
///
/// IPv4-mapped and NAT64 addresses lead to the IPv4 address inside, so that one is judged. The other forms
/// that embed an IPv4 address (6to4, Teredo, IPv4-compatible) are refused: nobody serves an API there.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    if address.is_loopback() {
        return Reach::Loopback;
    }
    let bits = address.to_bits();
    let special = SPECIAL_V4
        .iter()
        .any(|&([a, b, c, d], length)| same_prefix_v4(bits, Ipv4Addr::new(a, b, c, d).to_bits(), length));
    if special { Reach::Special } else { Reach::Public }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if address == Ipv6Addr::LOCALHOST {
        return Reach::Loopback;
    }
    if let Some(inner) = address.to_ipv4_mapped() {
        return reach_v4(inner);
    }
    let bits = address.to_bits();
    if same_prefix_v6(bits, NAT64, 96) {
        return match reach_v4(Ipv4Addr::from_bits(bits as u32)) {
            Reach::Public => Reach::Public,
            // A gateway's loopback is not this machine's.
            Reach::Loopback | Reach::Special => Reach::Special,
        };
    }
    let special = SPECIAL_V6.iter().any(|&(prefix, length)| same_prefix_v6(bits, prefix, length));
    if special || !same_prefix_v6(bits, GLOBAL_UNICAST, 3) { Reach::Special } else { Reach::Public }
}

fn same_prefix_v4(a: u32, b: u32, length: u32) -> bool {
    (a ^ b) >> (32 - length) == 0
}

fn same_prefix_v6(a: u128, b: u128, length: u32) -> bool {
    (a ^ b) >> (128 - length) == 0
}

/// Every block of the IPv4 registry but loopback, and the multicast space.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // carrier-grade NAT
    ([169, 254, 0, 0], 16),  // link-local, cloud metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // automatic multicast tunnelling
    ([192, 88, 99, 0], 24),  // 6to4 relays
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarking
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// The only part of the IPv6 space from which public addresses are given: what lies outside is refused as a
/// whole (`::/96`,
/// `64:ff9b:1::/48`, `100::/64`, `5f00::/16`, `fc00::/7`, `fe80::/10`, `fec0::/10`, `ff00::/8`, …).
const GLOBAL_UNICAST: u128 = 0x2000 << 112;

/// The well-known prefix of NAT64: an IPv6-only network reaches the IPv4 internet through it.
const NAT64: u128 = 0x0064_ff9b << 96;

/// The registry's blocks within `2000::/3`.
const SPECIAL_V6: &[(u128, u32)] = &[
    (0x2001 << 112, 23),          // protocol assignments: Teredo, benchmarking, ORCHID, …
    (0x2001_0db8 << 96, 32),      // documentation
    (0x2002 << 112, 16),          // 6to4
    (0x2620_004f_8000 << 80, 48), // AS112
    (0x3fff << 112, 20),          // documentation
];
