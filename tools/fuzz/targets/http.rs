//! The target `http` for libFuzzer.

#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::http::run(data));
