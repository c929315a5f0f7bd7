//! What memory the program has and may have. Only Linux says so; elsewhere nobody knows.

use std::fs;

/// What a node takes at most, about: an engine with the table of a network of a million, and its share of what is
/// planned.
const BYTES_PER_NODE: u64 = 20_000;

/// The most memory that this process has had so far, in bytes.
pub(super) fn peak() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// What is too much about so many nodes, if it is.
pub(super) fn warning(nodes: usize) -> Option<String> {
    let available = field(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    shortage(nodes, available)
}

fn shortage(nodes: usize, available: u64) -> Option<String> {
    let needed = BYTES_PER_NODE.saturating_mul(nodes as u64);
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    (needed > available).then(|| {
        let (needed, available) = (gigabytes(needed), gigabytes(available));
        format!("{nodes} nodes may need {needed:.1} GB of memory, and {available:.1} GB are free")
    })
}

/// The number of kilobytes after `name`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_bytes() {
        let text = "VmPeak:\t  999 kB\nVmHWM:\t  12345 kB\nThreads:\t3\n";
        assert_eq!(field(text, "VmHWM:"), Some(12_345 * 1024));
        assert_eq!((field(text, "VmRSS:"), field(text, "Threads:")), (None, None));
    }

    #[test]
    fn too_many_nodes_are_warned_of_with_both_numbers() {
        assert_eq!(shortage(1_000, 1 << 30), None);
        let warning = shortage(1_000_000, 4_000_000_000).unwrap();
        assert!(warning.contains("20.0 GB") && warning.contains("4.0 GB are free"), "{warning}");
    }
}
