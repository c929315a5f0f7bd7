//! `Key`: a secret that spreads addresses over a table, so that nobody can choose whose place is taken.
//! Knows nothing of what the table is for.

use std::net::{IpAddr, SocketAddr};

use khashmir_types::Prefix;
use rand::Rng;

/// Two secret words.
///
/// It hashes by folded multiplication, as wyhash does. Nobody sees a hash, so more is not needed than that collisions cannot
/// be computed without the key.
#[derive(Clone, Copy)]
pub(super) struct Key([u64; 2]);

impl Key {
    pub(super) fn new(rng: &mut impl Rng) -> Self {
        // Odd words lose nothing when they are multiplied with.
        Self([rng.next_u64() | 1, rng.next_u64() | 1])
    }

    /// A number for an address and port.
    pub(super) fn of_addr(&self, addr: SocketAddr) -> u64 {
        self.hash(addr.ip(), u64::from(addr.port()))
    }

    /// A number for the prefix of an address; for the address itself if it has none.
    pub(super) fn of_prefix(&self, ip: IpAddr) -> u64 {
        match Prefix::of(ip) {
            Some(Prefix::V4([a, b, c])) => self.hash(IpAddr::from([a, b, c, 0]), PREFIX),
            Some(Prefix::V6([a, b, c, d, e, f, g, h])) => {
                self.hash(IpAddr::from([a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0]), PREFIX)
            }
            None => self.hash(ip, PREFIX),
        }
    }

    fn hash(&self, ip: IpAddr, extra: u64) -> u64 {
        let [first, second] = self.0;
        let (high, low) = match ip {
            IpAddr::V4(ip) => (0, u64::from(ip.to_bits())),
            IpAddr::V6(ip) => ((ip.to_bits() >> 64) as u64, ip.to_bits() as u64),
        };
        let once = fold(low ^ first, high ^ extra ^ second);
        fold(once ^ extra.rotate_left(32), second)
    }
}

impl std::fmt::Debug for Key {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// Beyond all ports, so that a prefix is told from an address.
const PREFIX: u64 = 1 << 16;

/// Both halves of the product in one word.
fn fold(a: u64, b: u64) -> u64 {
    // Two words cannot wrap.
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;

    fn key(seed: u64) -> Key {
        Key::new(&mut ChaCha12Rng::seed_from_u64(seed))
    }

    #[test]
    fn addresses_differ_and_their_prefixes_do_not() {
        let key = key(1);
        let addr = |host: u8, port: u16| SocketAddr::from(([203, 0, 113, host], port));
        assert_ne!(key.of_addr(addr(1, 1)), key.of_addr(addr(1, 2)));
        assert_ne!(key.of_addr(addr(1, 1)), key.of_addr(addr(2, 1)));
        assert_eq!(key.of_prefix(addr(1, 1).ip()), key.of_prefix(addr(2, 1).ip()));
        assert_ne!(key.of_prefix([203, 0, 113, 1].into()), key.of_prefix([203, 0, 114, 1].into()));
        assert_ne!(key.of_prefix([10, 0, 0, 1].into()), key.of_prefix([10, 0, 0, 2].into()));
    }

    #[test]
    fn another_key_spreads_otherwise_and_any_key_spreads_evenly() {
        let places = |key: Key| {
            (0..4096_u32).map(move |n| key.of_prefix((n << 8 | 0x5000_0000).to_be_bytes().into()) % 64)
        };
        assert_ne!(places(key(1)).collect::<Vec<_>>(), places(key(2)).collect::<Vec<_>>());
        let mut counts = [0; 64];
        places(key(3)).for_each(|place| counts[place as usize] += 1);
        assert!(counts.iter().all(|count| (24..120).contains(count)), "{counts:?}");
    }
}
