//! Who of a scenario is not honest.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::AdversaryKind;

/// One of `[[adversaries]]`: a share of the nodes that turns hostile once the network has come to rest. Beside
/// `share` it has the keys of an [`AdversaryKind`], `kind` among them.
///
/// They keep the ids and the places in tables that they have earned by honest work. They never leave; what they do is
/// part of the report's faults.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdversaryPlan {
    /// Of the nodes that are on at the beginning. Never bootstrap hosts.
    pub share: f64,
    /// What they do.
    pub kind: AdversaryKind,
}

impl<'de> Deserialize<'de> for AdversaryPlan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(deserializer)?;
        let share =
            table.remove("share").ok_or_else(|| D::Error::custom("adversaries need a `share`, 0 to 1"))?;
        let share = super::read::share(share).map_err(|error| D::Error::custom(error.message()))?;
        let kind = AdversaryKind::deserialize(table).map_err(|error| D::Error::custom(error.message()))?;
        kind.validate().map_err(D::Error::custom)?;
        Ok(Self { share, kind })
    }
}
