//! Two services, as `topology merge` takes them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fanfare_fuzz::targets::topology(input));
