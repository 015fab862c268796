//! The target `amounts` for libFuzzer.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::amounts::run(data));
