//! An envelope as somebody makes it.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::envelope(input));
