//! The target `engine`: a whole node, and whatever may happen to it, in any order, at any time.
//!
//! An input is a first byte for the settings, then steps: datagrams of any kind, time, operations, commits.

mod cast;
mod checks;
mod datagrams;
mod network;
mod world;

use crate::script::Script;
use world::World;

/// Steps taken of one input: more say nothing new.
const MAX_STEPS: usize = 256;

/// Does to an engine what `input` says, and lets everything end. Panics if the engine breaks a promise.
pub fn engine(input: &[u8]) {
    let mut script = Script::new(input);
    let mut world = World::new(script.byte());
    for _ in 0..MAX_STEPS {
        let Some(step) = script.step() else { break };
        take(step, &mut world, &mut script);
        world.check();
    }
    world.end();
}

fn take(step: u8, world: &mut World, script: &mut Script<'_>) {
    match step % 16 {
        0 => {
            let (from, length) = (script.byte(), script.length());
            world.deliver(cast::addr(from), script.bytes(length));
        }
        1..=3 => {
            let from = cast::addr(script.byte());
            let datagram = datagrams::query(script, world, from);
            world.deliver(from, &datagram);
        }
        4 | 5 => {
            if let Some(asked) = script.choice(&world.asked).cloned() {
                let (from, datagram) = datagrams::answer(script, world, &asked);
                world.deliver(from, &datagram);
            }
        }
        6 | 7 => {
            let (questions, shape) = (script.byte(), script.byte());
            world.network_answers(questions, shape);
        }
        8 | 9 => world.wake(),
        10 => world.let_pass(cast::pause(script.byte())),
        11 => world.start(cast::request(script)),
        12 => world.cancel(script.byte()),
        13 => world.commits(script.byte()),
        14 => world.refuse_to_send(cast::addr(script.byte())),
        _ => {
            if let Some(asked) = script.choice(&world.asked).cloned() {
                // Its own query comes back to it, from where it went or from somebody else.
                let from = if script.byte() < 128 { asked.to } else { cast::addr(script.byte()) };
                world.deliver(from, &asked.payload);
            }
        }
    }
}
