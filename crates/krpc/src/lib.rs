//! The KRPC of the Khashmir DHT: bencoded queries and replies over UDP, byte for byte as the original's.
//!
//! Three things that can be used apart:
//!
//! - the codec: [`decode`], [`encode_query`], [`encode_reply`], [`encode_error`], and [`scan`], the strict
//!   check that every datagram passes first; with [`Level`], what goes beyond the original's protocol;
//! - [`Endpoint`], the calls of one node, without I/O: time and randomness come in as arguments, datagrams and
//!   [`Event`]s go out as values;
//! - [`Transport`], datagrams in a [`Batch`]: [`UdpTransport`], [`MemoryNetwork`], [`Lossy`].
//!
//! This crate knows nothing of routing tables, lookups or storage. Whatever a peer sends is counted, dropped or
//! answered; it is never an error of ours.
//!
//! Two endpoints without a network, and one ping between them:
//!
//! ```
//! use khashmir_krpc::{Delivery, Endpoint, EndpointConfig, Event, Query, Reply};
//! use khashmir_types::{Contact, Id, Time};
//! use rand::{SeedableRng, rngs::ChaCha12Rng};
//!
//! let mut rng = ChaCha12Rng::seed_from_u64(1);
//! let mut now = Time::from_secs(1_000_000);
//! let alice = Contact::new(Id::random(&mut rng), "192.0.2.1:9977".parse()?);
//! let bob = Contact::new(Id::random(&mut rng), "192.0.2.2:9977".parse()?);
//! let mut asker = Endpoint::new(alice.id, EndpointConfig::default(), &mut rng);
//! let mut answerer = Endpoint::new(bob.id, EndpointConfig::default(), &mut rng);
//!
//! let call = asker.call(bob, &Query::Ping, now, &mut rng)?;
//! let query = asker.poll_transmit().expect("the query goes out at once");
//! answerer.handle_datagram(alice.addr, &query.payload, now);
//! let Some(Event::Query { reply_to, .. }) = answerer.poll_event() else { panic!("no query") };
//! assert_eq!(answerer.reply(&reply_to, &Reply::Ping, now), Delivery::Sent);
//!
//! now += std::time::Duration::from_millis(20);
//! let answer = answerer.poll_transmit().expect("the reply goes out at once");
//! asker.handle_datagram(bob.addr, &answer.payload, now);
//! let rtt = Some(std::time::Duration::from_millis(20));
//! assert_eq!(asker.poll_event(), Some(Event::Answered { call, from: bob, reply: Reply::Ping, rtt }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/call.rs` does the same over a socket.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

mod batch;
mod codec;
mod cursor;
mod endpoint;
mod level;
mod lossy;
mod memory;
mod message;
mod method;
mod scan;
mod transaction;
mod transport;
mod udp;

pub use batch::{Batch, Datagram, MAX_BATCH};
pub use codec::{
    DecodeError, MAX_DATAGRAM, MAX_INCOMING, MAX_STORABLE, MalformedReply, Message, ReplyBody, ReplyTooLong,
    decode, encode_error, encode_query, encode_query_with, encode_reply, encode_reply_with, max_storable,
    write_reply,
};
pub use endpoint::{
    CallId, CallRefused, Callee, ConfigError, Counters, Delivery, DropReason, Endpoint, EndpointConfig,
    Event, Failure, MethodCounters, Repeat, ReplyTo, Transmit,
};
pub use level::Level;
pub use lossy::Lossy;
pub use memory::{MemoryNetwork, MemoryTransport};
pub use message::{ErrorCode, MAX_NODES_PER_REPLY, MAX_VALUE, Query, Refusal, Reply, Token};
pub use method::Method;
pub use scan::{MAX_DEPTH, MAX_VALUES, ScanError, scan};
pub use transaction::TransactionId;
pub use transport::{SendFailure, Transport};
pub use udp::UdpTransport;
