//! Write tokens: proof that a peer receives at the address it stores from. Knows no messages and no clock.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha1::Sha1;

/// Secrets remembered, the newest included: as many as the original keeps. A token lives through two
/// rotations and dies at the third.
const SECRETS: usize = 3;

/// Bytes in a token: those of the original, which are those of a SHA-1.
const TOKEN_LEN: usize = khashmir_krpc::Token::LEN;

/// Issues and checks tokens.
///
/// A token is HMAC-SHA-1 over the requester's IP address, under a secret that only we know. As the
/// original's it is bound to the address alone: any port, any id, any key. A plain SHA-1 of secret and
/// address, as the original has it, would do for 20-byte inputs, but HMAC is what is proven to be a MAC.
pub(crate) struct Tokens {
    /// Keyed once, as are the others, so that a token costs two compressions.
    newest: Hmac<Sha1>,
    /// The newest of them first.
    older: [Option<Hmac<Sha1>>; SECRETS - 1],
}

impl Tokens {
    /// Starts with one random secret.
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        Self { newest: secret(rng), older: [const { None }; SECRETS - 1] }
    }

    /// Puts a new secret in front and forgets the one that falls out at the back.
    pub(crate) fn rotate(&mut self, rng: &mut impl Rng) {
        self.older.rotate_right(1);
        self.older[0] = Some(std::mem::replace(&mut self.newest, secret(rng)));
    }

    /// The token for a requester at `addr`, under the newest secret.
    pub(crate) fn issue(&self, addr: IpAddr) -> [u8; TOKEN_LEN] {
        mac(&self.newest, addr).finalize().into_bytes().into()
    }

    /// Was `token` issued to `addr` under a secret we still remember? Takes the same time for any
    /// token of the right length.
    pub(crate) fn is_valid(&self, addr: IpAddr, token: &[u8]) -> bool {
        let matches = |secret: &Hmac<Sha1>| mac(secret, addr).verify_slice(token).is_ok();
        self.older.iter().flatten().fold(matches(&self.newest), |valid, secret| valid | matches(secret))
    }
}

impl std::fmt::Debug for Tokens {
    /// Shows nothing of the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn secret(rng: &mut impl Rng) -> Hmac<Sha1> {
    let mut key = [0; TOKEN_LEN];
    rng.fill_bytes(&mut key);
    Hmac::new_from_slice(&key).expect("HMAC takes a key of any length")
}

fn mac(secret: &Hmac<Sha1>, addr: IpAddr) -> Hmac<Sha1> {
    let mut mac = secret.clone();
    match addr {
        IpAddr::V4(addr) => mac.update(&addr.octets()),
        IpAddr::V6(addr) => mac.update(&addr.octets()),
    }
    mac
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::ChaCha12Rng;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_token_lives_through_two_rotations_and_dies_at_the_third() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut tokens = Tokens::new(&mut rng);
        let token = tokens.issue(HERE);
        for _ in 0..2 {
            assert!(tokens.is_valid(HERE, &token));
            tokens.rotate(&mut rng);
        }
        assert!(tokens.is_valid(HERE, &token), "the oldest live secret still counts");
        tokens.rotate(&mut rng);
        assert!(!tokens.is_valid(HERE, &token));
    }

    #[test]
    fn a_token_is_bound_to_the_address() {
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let tokens = Tokens::new(&mut rng);
        assert!(!tokens.is_valid(THERE, &tokens.issue(HERE)));
        assert!(!Tokens::new(&mut rng).is_valid(HERE, &tokens.issue(HERE)));
    }

    #[test]
    fn a_token_of_another_length_is_refused() {
        let tokens = Tokens::new(&mut ChaCha12Rng::seed_from_u64(3));
        let token = tokens.issue(HERE);
        assert!(!tokens.is_valid(HERE, &token[..19]));
        assert!(!tokens.is_valid(HERE, &[&token[..], b"x"].concat()));
        assert!(!tokens.is_valid(HERE, b""));
    }
}
