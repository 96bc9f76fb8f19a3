//! Networks whose word is taken: for whom a request comes, and the trace that it belongs to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Addresses and networks, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<(IpAddr, u8)>);

impl Networks {
    pub fn parse(text: &str) -> Option<Networks> {
        let network = |text: &str| {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            (bits <= most).then_some((address, bits))
        };
        text.split(',').map(|one| network(one.trim())).collect::<Option<_>>().map(Networks)
    }

    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*bits)).unwrap_or_default();
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*bits)).unwrap_or_default();
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        })
    }

    /// The address that a request comes from: the last one in `X-Forwarded-For` that is not ours, as far as our own proxies say it.
    pub fn origin(&self, peer: IpAddr, forwarded: &str) -> IpAddr {
        if !self.contain(peer) {
            return peer;
        }
        let address = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
        let mut said = forwarded.rsplit(',').map_while(|one| address(one.trim()));
        said.find(|address| !self.contain(*address)).unwrap_or(peer)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(address, bits)| format!("{address}/{bits}")).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn networks_contain_their_addresses() {
        let networks = Networks::parse("10.0.0.0/8, 192.0.2.7, 2001:db8::/32, ::1").expect("networks");
        for (text, within) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8:1::5", true),
            ("2001:db9::5", false),
            ("::1", true),
        ] {
            assert_eq!(networks.contain(address(text)), within, "{text}");
        }
        assert!(Networks::parse("0.0.0.0/0").expect("all").contain(address("203.0.113.9")));
        for wrong in ["", "10.0.0.0/33", "example.com", "10.0.0.1,"] {
            assert_eq!(Networks::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn only_a_proxy_of_ours_says_for_whom_it_asks() {
        let ours = Networks::parse("10.0.0.0/8").expect("networks");
        let (proxy, client) = (address("10.0.0.1"), address("203.0.113.9"));
        assert_eq!(ours.origin(client, "198.51.100.1"), client);
        assert_eq!(ours.origin(proxy, "198.51.100.1, 203.0.113.9, 10.0.0.2"), client);
        assert_eq!(ours.origin(proxy, "198.51.100.1, 203.0.113.9:4711"), client);
        assert_eq!(ours.origin(proxy, "[2001:db8::7]:4711"), address("2001:db8::7"));
        assert_eq!(ours.origin(proxy, ""), proxy);
        assert_eq!(ours.origin(proxy, "203.0.113.9, nonsense"), proxy);
    }
}
