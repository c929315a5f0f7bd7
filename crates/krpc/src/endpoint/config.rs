//! The endpoint's settings, their defaults and their limits.

use std::time::Duration;

/// How an [`Endpoint`](crate::Endpoint) paces and limits itself. The default times are those of the original's
/// final revision; it had no limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// From the first sending of a query to its failure. 9 s: three sendings, and time for a last answer.
    pub timeout: Duration,
    /// From the first sending to the second; each further one waits twice as long as the one before. 2 s, so
    /// a query goes out at 0, 2 and 6 s. With [`Self::timeout`] or more, nothing is sent twice.
    pub initial_delay: Duration,
    /// Calls that may wait for an answer at once; further ones are queued. 256: with a dead network (9 s each)
    /// still 28 new calls a second, and some 100 KiB of state.
    pub max_outstanding: usize,
    /// Calls that may wait to be sent; further ones are refused. 4096: several hundred lookups at once, in
    /// 2 MiB of memory, or 8 if all of them store values of the largest size.
    pub max_queued: usize,
    /// New calls sent per second in the long run; further ones wait in the queue. 1000, some 1 Mbit/s: a
    /// node talked into endless lookups is no weapon. Resends are not counted, there are at most two per call.
    pub calls_per_second: u32,
    /// New calls that may go out at once after a rest. 256, so that [`Self::max_outstanding`] can be reached.
    pub burst: u32,
    /// Must an address prove that it receives what we send, by answering a call of ours, before it gets more bytes than came
    /// from it? Yes by default: else whoever forges a victim's address makes us a weapon. A larger reply is kept back until
    /// a ping is answered; queries of ours are as long as the replies to them, so that they are answered at once.
    pub demands_proof: bool,
    /// Datagrams from one IP address with proven ports that are looked at per second; further ones are dropped. 250: no
    /// honest node asks so much. Answers to calls of ours are not counted. `u32::MAX` lifts the limit.
    pub answers_per_second: u32,
    /// Datagrams from all unproven addresses of one prefix (IPv4 /24, IPv6 /64) that are looked at per second. 100: a score
    /// of newcomers behind one NAT can join at once. `u32::MAX` lifts the limit.
    pub unproven_per_prefix: u32,
    /// Datagrams from all unproven addresses together that are looked at per second. 5,000: more strangers than a bootstrap
    /// node of a large network has, and a twentieth of what one core can serve, so that a flood of forged ones costs those
    /// who have proved themselves nothing. `u32::MAX` lifts the limit.
    pub unproven_per_second: u32,
    /// Are datagrams from loopback addresses taken and answered without these limits? No by default. In a network on one host an
    /// address stands for many nodes, and from outside none of them can be forged.
    pub is_loopback_exempt: bool,
    /// Are queries answered at all? Yes by default. If not, they are counted and dropped, unknown methods included, but for pings
    /// of those who owe us values: they may want to know first whether we are where we say.
    pub answers_queries: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(9),
            initial_delay: Duration::from_secs(2),
            max_outstanding: 256,
            max_queued: 4096,
            calls_per_second: 1000,
            burst: 256,
            demands_proof: true,
            answers_per_second: 250,
            unproven_per_prefix: 100,
            unproven_per_second: 5000,
            is_loopback_exempt: false,
            answers_queries: true,
        }
    }
}

impl EndpointConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that makes no sense, by name.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = [
            ("timeout", !self.timeout.is_zero()),
            ("initial_delay", !self.initial_delay.is_zero()),
            ("max_outstanding", self.max_outstanding > 0),
            ("max_queued", self.max_queued > 0),
            ("calls_per_second", self.calls_per_second > 0),
            ("burst", self.burst > 0),
            ("answers_per_second", self.answers_per_second > 0),
            ("unproven_per_prefix", self.unproven_per_prefix > 0),
            ("unproven_per_second", self.unproven_per_second > 0),
        ];
        match positive.into_iter().find(|(_, is_positive)| !is_positive) {
            Some((setting, _)) => Err(ConfigError::Zero { setting }),
            None if self.calls_per_second > MAX_RATE => Err(ConfigError::TooFast),
            None => Ok(()),
        }
    }
}

/// One call per microsecond, the resolution of [`Time`](khashmir_types::Time).
const MAX_RATE: u32 = 1_000_000;

/// A setting that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting that must be greater than zero is not.
    #[error("{setting} must be greater than zero")]
    Zero {
        /// The setting's name.
        setting: &'static str,
    },
    /// More calls per second than the clock can tell apart.
    #[error("calls_per_second must be at most {MAX_RATE}")]
    TooFast,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        assert_eq!(EndpointConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_bad_setting_is_named() {
        let config = EndpointConfig { burst: 0, ..EndpointConfig::default() };
        assert_eq!(config.validate().unwrap_err().to_string(), "burst must be greater than zero");
        let config = EndpointConfig { calls_per_second: 1_000_001, ..EndpointConfig::default() };
        assert_eq!(config.validate(), Err(ConfigError::TooFast));
    }
}
