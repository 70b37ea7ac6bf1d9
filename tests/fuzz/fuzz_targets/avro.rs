//! A payload in Avro, and its schema.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::avro(input));
