//! The target `round-trip`, driven by libFuzzer.
#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| khashmir_fuzz::round_trip(input));
