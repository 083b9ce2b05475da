//! The addresses of a subnet by number, as its bitmap has them: 0 is the network's own.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Bits;

/// The bitmap of a subnet of which nobody has an address yet: the first and the last are never given out.
pub(crate) fn unused(net: Ipv4Net) -> Bits {
    let mut bits = Bits::new(1 << (32 - u64::from(net.prefix_len())));
    bits.take(0);
    bits.take(bits.len() - 1);
    bits
}

/// Which number an address of the subnet has; of an address below it, one that no subnet has.
pub(crate) fn ordinal(net: Ipv4Net, ip: Ipv4Addr) -> u64 {
    u64::from(u32::from(ip)).wrapping_sub(u64::from(u32::from(net.network())))
}

/// The address of that number. None: the subnet is not that long.
pub(crate) fn nth(net: Ipv4Net, ordinal: u64) -> Option<Ipv4Addr> {
    let ip = u32::from(net.network()).checked_add(u32::try_from(ordinal).ok()?)?;
    Some(Ipv4Addr::from(ip)).filter(|ip| net.contains(ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_an_addresss_and_back() {
        let net = Ipv4Net::new_assert(Ipv4Addr::new(10, 9, 0, 0), 30);
        for (number, last) in [(0, 0), (1, 1), (3, 3)] {
            let ip = Ipv4Addr::new(10, 9, 0, last);
            assert_eq!((ordinal(net, ip), nth(net, number)), (number, Some(ip)));
        }
        assert_eq!((nth(net, 4), nth(net, u64::MAX)), (None, None));
        let taken: Vec<u64> = (0..4).filter(|number| unused(net).has(*number)).collect();
        assert_eq!(taken, [0, 3]);
    }
}
