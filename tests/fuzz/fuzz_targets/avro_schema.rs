//! A schema of Avro, and those that it refers to.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::avro_schema(input));
