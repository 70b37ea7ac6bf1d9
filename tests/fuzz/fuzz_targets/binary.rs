//! An event as headers, in each of the bindings.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::binary(input));
