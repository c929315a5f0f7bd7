//! Two endpoints on loopback sockets: one asks, the other answers. KRPC alone, without a table or a store.
//!
//! The asker's loop is what every driver does: hand in one input, drain transmits and events, sleep until the
//! endpoint's own deadline.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use khashmir_krpc::{
    Batch, Endpoint, EndpointConfig, ErrorCode, Event, Query, Reply, Transport, UdpTransport,
};
use khashmir_types::{Contact, Id, Time};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;

/// The clock of this example; the endpoints are given the time and read none.
#[expect(clippy::disallowed_methods, reason = "an example is the edge: somebody must read the clock")]
fn now() -> Time {
    Time::EPOCH + SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Sends what the endpoint has to send.
async fn flush(endpoint: &mut Endpoint, transport: &impl Transport) {
    let batch: Vec<_> = std::iter::from_fn(|| endpoint.poll_transmit()).collect();
    for failure in transport.send(&batch).await {
        endpoint.handle_send_error(failure.to, now());
    }
}

/// Answers `ping` and `get_value`, for ever.
async fn answer(mut endpoint: Endpoint, transport: UdpTransport) -> Result<(), std::io::Error> {
    let mut batch = Batch::new();
    loop {
        transport.receive(&mut batch).await?;
        for datagram in batch.iter() {
            endpoint.handle_datagram(datagram.peer, datagram.payload, now());
        }
        while let Some(event) = endpoint.poll_event() {
            let Event::Query { query, reply_to, .. } = event else { continue };
            let reply = match query {
                Query::Ping => Reply::Ping,
                Query::GetValue { key, .. } => {
                    Reply::GetValue { values: vec![format!("what I keep under {key}").into()] }
                }
                _ => {
                    endpoint.reply_error(&reply_to, ErrorCode::UnknownMethod, now());
                    continue;
                }
            };
            // A node that hears strangers pings them where `Delivery::NeedsProof` says so.
            let _ = endpoint.reply(&reply_to, &reply, now());
        }
        flush(&mut endpoint, &transport).await;
    }
}

/// Asks one question and waits for its end.
async fn ask(
    endpoint: &mut Endpoint,
    transport: &UdpTransport,
    whom: Contact,
    query: &Query,
    rng: &mut ChaCha12Rng,
) -> Result<Event, Box<dyn Error>> {
    endpoint.call(whom, query, now(), rng)?;
    let mut batch = Batch::new();
    loop {
        flush(endpoint, transport).await;
        if let Some(event) = endpoint.poll_event() {
            return Ok(event);
        }
        let rest = endpoint.poll_timeout().map_or(Duration::MAX, |deadline| deadline.since(now()));
        match tokio::time::timeout(rest, transport.receive(&mut batch)).await {
            Ok(received) => received?,
            Err(_) => endpoint.handle_timeout(now()),
        }
        for datagram in batch.iter() {
            endpoint.handle_datagram(datagram.peer, datagram.payload, now());
        }
        batch.prepare();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A fixed seed keeps the example short. A node seeds from the system: transaction ids are secrets.
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let loopback: SocketAddr = "127.0.0.1:0".parse()?;
    let (here, there) = (UdpTransport::bind(loopback).await?, UdpTransport::bind(loopback).await?);
    let answerer = Contact::new(Id::random(&mut rng), there.local_addr()?);
    // On one host, nobody can forge an address.
    let config = EndpointConfig { is_loopback_exempt: true, ..EndpointConfig::default() };
    let mut asker = Endpoint::new(Id::random(&mut rng), config.clone(), &mut rng);
    tokio::spawn(answer(Endpoint::new(answerer.id, config, &mut rng), there));

    let get = Query::GetValue { key: Id::sha1(b"example"), num: 0 };
    for query in [Query::Ping, get, Query::Join] {
        match ask(&mut asker, &here, answerer, &query, &mut rng).await? {
            Event::Answered { from, reply, rtt, .. } => println!("{from} says {reply:?} after {rtt:?}"),
            Event::Failed { callee, method, cause, .. } => println!("{method} to {callee} failed: {cause}"),
            Event::Query { from, .. } => println!("{from} asks us, which nobody told it to"),
        }
    }
    Ok(())
}
