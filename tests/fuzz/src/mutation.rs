//! Variations on stored inputs, for runs without libFuzzer. Knows no target.

use rand::rngs::ChaCha12Rng;
use rand::{Rng, RngExt, SeedableRng};

/// What inputs of every target are made of.
const WORDS: [&[u8]; 24] = [
    b"d",
    b"l",
    b"e",
    b"i",
    b"1:",
    b"20:",
    b"26:",
    b"i0e",
    b"i-1e",
    b"i9223372036854775807e",
    b"18446744073709551615:",
    b"1:a",
    b"1:e",
    b"1:q",
    b"1:r",
    b"1:t",
    b"1:y",
    b"2:id20:",
    b"5:nodesl",
    b"6:valuesl",
    b"5:token",
    b"3:numi",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
];

/// Hands `run` every input of `corpus`, then `count` variations on them that `seed` decides.
///
/// # Panics
/// If `run` does; then the input is printed first, or if there is no corpus.
pub fn smoke(corpus: &[Vec<u8>], run: fn(&[u8]), seed: u64, count: usize) {
    corpus.iter().for_each(|input| reporting(run, input));
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    for _ in 0..count {
        let mut input = corpus[rng.random_range(0..corpus.len())].clone();
        for _ in 0..rng.random_range(1..6) {
            let other = &corpus[rng.random_range(0..corpus.len())];
            vary(&mut input, other, &mut rng);
        }
        reporting(run, &input);
    }
}

fn reporting(run: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| run(input)) {
        eprintln_input(input);
        std::panic::resume_unwind(panic);
    }
}

#[expect(clippy::print_stderr, reason = "whoever mends it needs the input")]
fn eprintln_input(input: &[u8]) {
    eprintln!("the input, in hex: {}", input.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

/// Changes `input` in one place.
fn vary(input: &mut Vec<u8>, other: &[u8], rng: &mut impl Rng) {
    let at = rng.random_range(0..=input.len());
    let until = rng.random_range(at..=input.len().min(at + 16));
    match rng.random_range(0..7) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..until)),
        2 => drop(input.splice(at..until, WORDS[rng.random_range(0..WORDS.len())].iter().copied())),
        3 => {
            let from = rng.random_range(0..=other.len());
            let part = &other[from..rng.random_range(from..=other.len())];
            drop(input.splice(at..until, part.iter().copied()));
        }
        4 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.random()),
        5 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.random_range(0..8)),
        _ => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = byte.wrapping_add(1)),
    }
}
