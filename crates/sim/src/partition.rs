//! `Partition`: which hosts cannot reach which others. Knows hosts by number alone.

use crate::HostId;

/// Which way nothing passes between the groups of a partition. Group 0 is the mainland, the others are islands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing passes between groups.
    Both,
    /// Nothing leaves an island: what the mainland sends arrives.
    Outward,
    /// Nothing reaches an island: what it sends to the mainland arrives.
    Inward,
}

/// A network that has fallen apart.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// The group of each host that there was; later ones are on the mainland.
    groups: Vec<u8>,
    cut: Cut,
}

impl Partition {
    pub(crate) fn new(groups: Vec<u8>, cut: Cut) -> Self {
        Self { groups, cut }
    }

    /// Does nothing pass from one host to another?
    pub(crate) fn cuts(&self, from: HostId, to: HostId) -> bool {
        let (from, to) = (self.group(from), self.group(to));
        from != to
            && match self.cut {
                Cut::Both => true,
                Cut::Outward => from != 0,
                Cut::Inward => to != 0,
            }
    }

    fn group(&self, host: HostId) -> u8 {
        self.groups.get(host.index()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn islands_are_cut_off_in_the_directions_asked_for() {
        let cuts = |cut, from, to| Partition::new(vec![0, 0, 1, 2], cut).cuts(HostId(from), HostId(to));
        for cut in [Cut::Both, Cut::Outward, Cut::Inward] {
            assert!(!cuts(cut, 0, 1) && !cuts(cut, 2, 2) && !cuts(cut, 0, 9), "{cut:?} within a group");
            assert!(cuts(cut, 2, 3) && cuts(cut, 3, 2), "{cut:?} between islands");
        }
        assert_eq!([Cut::Both, Cut::Outward, Cut::Inward].map(|cut| cuts(cut, 2, 0)), [true, true, false]);
        assert_eq!([Cut::Both, Cut::Outward, Cut::Inward].map(|cut| cuts(cut, 0, 2)), [true, false, true]);
    }
}
