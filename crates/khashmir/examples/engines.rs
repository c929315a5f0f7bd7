//! Two engines without sockets or clocks: this program is their network and their time.
//!
//! `cargo run -p khashmir --example engines`

use std::net::SocketAddr;
use std::time::Duration;

use khashmir::{Engine, Event, Id, MemoryStorage, Outcome, Request, Scope, Settings, Time};

/// One way through the network.
const DELAY: Duration = Duration::from_millis(40);

fn engine(seed: u8, now: Time) -> Engine<MemoryStorage> {
    let mut settings = Settings::default();
    settings.scope = Scope::ANY;
    Engine::new(MemoryStorage::new(), settings, [seed; 32], now).expect("the defaults are valid")
}

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    let mut now = Time::from_secs(1_700_000_000);
    let addrs: [SocketAddr; 2] =
        ["10.0.0.1:9977", "10.0.0.2:9977"].map(|addr| addr.parse().expect("an address"));
    let mut engines = [engine(1, now), engine(2, now)];
    let key = Id::sha1(b"hello");

    let mut todo =
        vec![Request::Store { key, value: "a value".into() }, Request::Join { bootstrap: vec![addrs[0]] }];
    engines[1].start(todo.pop().expect("a join"), now).expect("nothing else runs");
    // The rule of use: one input, drain the outputs, then on to the next input or timeout.
    let mut in_flight: Vec<(Time, usize, SocketAddr, Vec<u8>)> = Vec::new();
    loop {
        for (from, engine) in engines.iter_mut().enumerate() {
            while let Some(commit) = engine.poll_commit(now) {
                engine.handle_committed(commit.run(), now);
            }
            while let Some(transmit) = engine.poll_transmit() {
                in_flight.push((now + DELAY, from, transmit.to, transmit.payload.to_vec()));
            }
            while let Some(event) = engine.poll_event() {
                let Event::Finished { outcome, .. } = event else { continue };
                match outcome {
                    Outcome::Joined(joined) => println!("{now}  joined: {} node nearby", joined.nearby),
                    Outcome::Stored(stored) => println!("{now}  stored on {:?}", stored.stored),
                    _ => {}
                }
                let Some(next) = todo.pop() else { return };
                engine.start(next, now).expect("nothing else runs");
            }
        }
        in_flight.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        if let Some((at, from, to, datagram)) = in_flight.pop() {
            now = at;
            println!("{now}  {} -> {to}  {} bytes", addrs[from], datagram.len());
            let receiver = addrs.iter().position(|addr| *addr == to).expect("one of the two");
            engines[receiver].handle_datagram(addrs[from], &datagram, now);
        } else if engines.iter().all(|engine| engine.poll_timeout() > now) {
            now = engines.iter().map(Engine::poll_timeout).min().expect("two engines");
        } else {
            engines.iter_mut().for_each(|engine| engine.handle_timeout(now));
        }
    }
}
