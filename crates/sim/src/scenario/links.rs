//! How datagrams of a scenario travel, and who can be reached.

use std::time::Duration;

use serde::Deserialize;

use super::read;
use crate::{Delay, Links};

/// The table `[links]`: how datagrams travel. What is left out does not happen; delays are `"world"` then.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LinkPlan {
    /// How long a datagram takes.
    pub delay: DelayPlan,
    /// The share of datagrams that never arrive.
    #[serde(deserialize_with = "read::share")]
    pub loss: f64,
    /// The share that arrives twice.
    #[serde(deserialize_with = "read::share")]
    pub duplication: f64,
    /// The share that arrives changed or cut short.
    #[serde(deserialize_with = "read::share")]
    pub corruption: f64,
    /// The share that is held back, for up to `hold`, so that later ones overtake it.
    #[serde(deserialize_with = "read::share")]
    pub reordering: f64,
    /// The longest time a datagram is held back. Default 200 ms if `reordering` is asked for.
    #[serde(deserialize_with = "read::maybe_time")]
    pub hold: Option<Duration>,
}

/// How long a datagram takes from host to host: `"10ms"`, `"world"`, or `{ matrix = "file" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenDelay")]
pub enum DelayPlan {
    /// The same between all.
    Constant(Duration),
    /// Hosts have positions: [`Links::world_wide`].
    #[default]
    World,
    /// As a file says. The simulator reads none: hand in what it holds with
    /// [`Scenario::set_matrix`](crate::Scenario::set_matrix).
    Matrix {
        /// The file.
        file: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a delay is a time such as \"10ms\", or \"world\", or { matrix = \"file\" }")]
enum WrittenDelay {
    Word(String),
    Matrix { matrix: String },
}

impl TryFrom<WrittenDelay> for DelayPlan {
    type Error = String;

    fn try_from(written: WrittenDelay) -> Result<Self, String> {
        match written {
            WrittenDelay::Matrix { matrix } => Ok(Self::Matrix { file: matrix }),
            WrittenDelay::Word(word) if word == "world" => Ok(Self::World),
            WrittenDelay::Word(word) => match read::parse_time(&word) {
                Ok(delay) if delay >= Duration::from_micros(1) => Ok(Self::Constant(delay)),
                Ok(_) => Err("a datagram takes at least 1us".to_owned()),
                Err(reason) => {
                    Err(format!("{reason}; a delay may also be \"world\" or {{ matrix = \"file\" }}"))
                }
            },
        }
    }
}

/// Default of [`LinkPlan::hold`].
const HOLD: Duration = Duration::from_millis(200);

impl LinkPlan {
    /// These links, with delays as they were found to be.
    pub(crate) fn links(&self, delay: Delay) -> Links {
        Links {
            delay,
            loss: self.loss,
            duplication: self.duplication,
            corruption: self.corruption,
            reordering: self.reordering,
            hold: self.hold.unwrap_or(HOLD),
        }
    }
}

/// The table `[nat]`: shares of hosts that not everybody can reach. Bootstrap hosts are never among them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NatPlan {
    /// Behind a NAT that lets everybody in who sends to a mapping's port.
    #[serde(deserialize_with = "read::share")]
    pub full_cone: f64,
    /// Behind a NAT that lets in only from addresses and ports that were sent to.
    #[serde(deserialize_with = "read::share")]
    pub port_restricted: f64,
    /// Behind a NAT that has another port for each destination.
    #[serde(deserialize_with = "read::share")]
    pub symmetric: f64,
    /// How long a mapping lasts without use.
    #[serde(deserialize_with = "read::time")]
    pub mapping_timeout: Duration,
    /// Reached only by those that they have just sent to: behind a firewall.
    #[serde(deserialize_with = "read::share")]
    pub unreachable: f64,
    /// Reached by nobody.
    #[serde(deserialize_with = "read::share")]
    pub deaf: f64,
}

impl Default for NatPlan {
    /// Nobody. Mappings last two minutes, the least that RFC 4787 (REQ-5) allows.
    fn default() -> Self {
        Self {
            full_cone: 0.0,
            port_restricted: 0.0,
            symmetric: 0.0,
            mapping_timeout: Duration::from_secs(120),
            unreachable: 0.0,
            deaf: 0.0,
        }
    }
}

impl NatPlan {
    /// The share of hosts that something is in the way of.
    pub(crate) fn total(&self) -> f64 {
        self.full_cone + self.port_restricted + self.symmetric + self.unreachable + self.deaf
    }
}
