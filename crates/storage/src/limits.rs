//! `StoreLimits`: how much is kept for others. Knows neither values nor who sent them.

/// What is kept for others at most.
///
/// A new value that would go beyond a limit takes the place of older ones; where that cannot be, it is refused
/// with [`StorageError::Full`](crate::StorageError::Full). Renewals are never refused. In what order values go,
/// [`Storage::put`](crate::Storage::put) says.
///
/// Lengths are those of values; [`StoreLimits::OVERHEAD`] is added to each value of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Bytes in all values together. Default 1 GiB. On the disk indices add about 150 bytes to each value.
    pub max_bytes: u64,
    /// Values in all. Default 10 million.
    pub max_values: u64,
    /// Values under one key. Default 100,000: a popular key of a large network has so many publishers, and it
    /// makes no request slower.
    pub max_values_per_key: u64,
    /// Bytes in the values of one key. Default 16 MiB: a sixth of a kilobyte for each of 100,000 values.
    pub max_bytes_per_key: u64,
    /// Bytes that one publisher (an IPv4 /24, an IPv6 /64) may have here, [`StoreLimits::OVERHEAD`] for each value
    /// included. Default 32 MiB: some 100,000 small values, more than the honest publishers of a network of that
    /// size have at any one node.
    pub max_bytes_per_prefix: u64,
}

impl StoreLimits {
    /// What a value costs its publisher besides its bytes: about what its rows and indices take on the disk.
    pub const OVERHEAD: u64 = 150;

    /// No limits.
    pub const NONE: Self = Self {
        max_bytes: u64::MAX,
        max_values: u64::MAX,
        max_values_per_key: u64::MAX,
        max_bytes_per_key: u64::MAX,
        max_bytes_per_prefix: u64::MAX,
    };
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_values: 10_000_000,
            max_values_per_key: 100_000,
            max_bytes_per_key: 16 << 20,
            max_bytes_per_prefix: 32 << 20,
        }
    }
}
