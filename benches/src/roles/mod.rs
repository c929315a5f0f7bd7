//! What a process does that is measured. One file for each role.

mod control;
mod echo;
mod fill;
mod network;
mod node;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::Allocations;
use crate::role::Role;

/// The store's file, named as the shipped program names it.
const STORE: &str = "khashmir.redb";

/// Is what `role` says until the standard input ends.
pub(crate) fn play(role: &Role, allocations: Allocations) -> Result<()> {
    match role {
        Role::Echo { core } => echo::play(*core),
        Role::Node(role) => node::play(role, allocations),
        Role::Fill { directory, keys } => fill::play(directory, *keys),
        Role::Network { nodes, directory } => network::play(*nodes, directory.as_deref()),
    }
}

/// A runtime on this thread alone, as the shipped program may be run.
fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start tokio")
}

/// Keeps this thread, and those that it starts, on `core`. Did that work?
pub(crate) fn pin(core: Option<usize>) -> bool {
    core.is_some_and(|id| core_affinity::set_for_current(core_affinity::CoreId { id }))
}
