//! What does not compile, and what the compiler says of it: one error for one mistake.
//!
//! `TRYBUILD=overwrite cargo test -p fanfare-ui-tests` writes the expected output anew: read it
//! before you commit it. Another compiler words its own lines otherwise: these are of rustc 1.95.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// More than one error, and why rustc makes it so.
const UNAVOIDABLE: &[(&str, usize, &str)] = &[
    (
        "event/field_cannot_travel",
        3,
        "the derives of `Serialize` and `JsonSchema` add one each to ours",
    ),
    (
        "event/field_without_schema",
        2,
        "the derive of `JsonSchema` adds one to ours",
    ),
    (
        "event_handler/within_without_a_store",
        2,
        "the transaction is of another store than none, too",
    ),
];

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    for folder in ["streamers", "event", "event_handler"] {
        cases.compile_fail(format!("{folder}/*.rs"));
    }
}

#[test]
fn what_is_right_compiles() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

#[test]
fn one_mistake_is_one_error() -> io::Result<()> {
    let mut seen = 0;
    for folder in ["streamers", "event", "event_handler"] {
        for answer in answers(folder)? {
            seen += 1;
            let name = format!(
                "{folder}/{}",
                answer.file_stem().unwrap_or_default().display()
            );
            let unavoidable = UNAVOIDABLE.iter().find(|(case, ..)| *case == name);
            let expected = unavoidable.map_or(1, |(_, errors, _)| *errors);
            let errors = fs::read_to_string(&answer)?
                .lines()
                .filter(|line| line.starts_with("error"))
                .count();
            assert_eq!(errors, expected, "errors in {}", answer.display());
        }
    }
    assert!(seen > 50, "only {seen} answers were found");
    Ok(())
}

/// The expected outputs in a folder beside this file.
fn answers(folder: &str) -> io::Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: io::Result<Vec<_>> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect();
    let mut files = files?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "stderr")
    });
    Ok(files)
}
