//! The target `history` for libFuzzer.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::history::run(data));
