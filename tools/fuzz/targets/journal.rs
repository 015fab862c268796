//! The target `journal` for libFuzzer.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::journal::run(data));
