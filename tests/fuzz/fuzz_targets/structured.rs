//! An event as one JSON text.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::structured(input));
