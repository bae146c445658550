//! The address at which other machines reach a server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// An address that is nobody's (RFC 5737, RFC 3849): which of this machine's addresses leads
/// there is its address in its network.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// The address at which others reach a server that listens on `listening`: that of this
/// machine in its network, if it listens on all of them.
pub(super) fn for_others(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip().to_canonical() {
        ip if !ip.is_unspecified() => ip,
        _ => own(listening.is_ipv6()).unwrap_or(Ipv4Addr::LOCALHOST.into()),
    };
    SocketAddr::new(ip, listening.port())
}

/// The address of this machine in its network. Nothing is sent.
fn own(may_be_ipv6: bool) -> Option<IpAddr> {
    ELSEWHERE.into_iter().filter(|elsewhere| elsewhere.is_ipv4() || may_be_ipv6).find_map(
        |elsewhere| {
            let any: IpAddr = match elsewhere {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0)).ok()?;
            socket.connect((elsewhere, 9)).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_itself_and_all_addresses_are_one_that_can_be_reached() {
        for address in ["127.0.0.1:3000", "[::1]:80", "192.0.2.9:1"] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(for_others(address), address);
        }
        for any in ["0.0.0.0:3000", "[::]:3000"] {
            let address = for_others(any.parse().unwrap());
            assert!(!address.ip().is_unspecified() && address.port() == 3000, "{address}");
        }
    }
}
