//! The vocabulary of the Khashmir DHT: [`Id`], [`Distance`], [`Contact`], [`Prefix`] and [`Time`].
//!
//! Every layer speaks these words and nothing else of one another. This crate knows no wire,
//! no table and no clock.
//!
//! ```
//! use khashmir_types::{Contact, Id};
//!
//! let key = Id::sha1(b"hello");
//! assert_eq!(key.to_string(), "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
//!
//! let near: Id = "aaf4000000000000000000000000000000000000".parse()?;
//! assert_eq!(key.distance(&near).shared_prefix_bits(), 16);
//!
//! let contact = Contact::new(near, "192.0.2.7:9977".parse()?);
//! let compact = contact.to_compact().expect("an IPv4 contact has a compact form");
//! assert_eq!(Contact::from_compact(&compact), contact);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod contact;
mod distance;
mod id;
mod prefix;
mod range;
mod time;

pub use contact::{Contact, ContactError};
pub use distance::Distance;
pub use id::{Id, ParseIdError};
pub use prefix::{Prefix, is_private};
pub use range::IdRange;
pub use time::Time;
