//! The crates of `tests/fleet`, built and run as a user's are: what one crate declares reaches
//! the program, whatever links it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const EVENTS: [&str; 4] = ["OrderPlaced", "ParcelLost", "ParcelSent", "ShelfEmptied"];
const HANDLERS: [&str; 4] = ["audit", "pack", "refill", "trace"];
const SUBSCRIPTIONS: [(&str, &str); 5] = [
    ("audit", "back-office/audit"),
    ("pack", "front-office/orders"),
    ("refill", "warehouse/shelves"),
    ("trace", "front-office/parcels"),
    ("trace", "back-office/audit"),
];

/// Builds a program of the fleet, with flags for its own linking only.
fn build(package: &str, release: bool, flags: &[&str]) -> PathBuf {
    let mut command = Command::new(env!("CARGO"));
    command.args(["rustc", "--locked", "--quiet"]);
    command.args(["--package", package, "--bin", package]);
    // Tests of one run must not build over each other's program.
    let target = workspace().join("target/fleet");
    command
        .current_dir(workspace())
        .arg("--target-dir")
        .arg(&target);
    if release {
        command
            .arg("--release")
            .env("CARGO_PROFILE_RELEASE_LTO", "fat");
    }
    let output = command.arg("--").args(flags).output().expect("cargo runs");
    assert!(
        output.status.success(),
        "{package} does not build:\n{}",
        text(&output.stderr)
    );
    target
        .join(if release { "release" } else { "debug" })
        .join(package)
}

fn workspace() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are in the workspace")
        .to_owned()
}

fn run(program: PathBuf) -> Output {
    Command::new(program).output().expect("the program runs")
}

/// lld leaves its name in the programs it links.
fn is_of_lld(program: &Path) -> bool {
    let bytes = std::fs::read(program).expect("the program is there");
    let mark = b" LLD ";
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The names in one list of the topology, in its own order.
fn names(topology: &serde_json::Value, list: &str) -> Vec<String> {
    let entries = topology[list]
        .as_array()
        .unwrap_or_else(|| panic!("no `{list}` in {topology}"));
    let name = |entry: &serde_json::Value| entry["name"].as_str().map(str::to_owned);
    entries
        .iter()
        .map(|entry| name(entry).expect("a name"))
        .collect()
}

/// The flags for a linker, given the one that chooses it.
fn linking(choice: &str) -> Vec<&str> {
    // On x86_64 rustc links with an lld of its own unless told; elsewhere the flag is not stable.
    let own = cfg!(target_arch = "x86_64").then_some("-Clinker-features=-lld");
    own.into_iter().chain([choice]).collect()
}

/// GNU ld and lld, in debug and in release with LTO: one test, for they build one program.
#[test]
fn no_registration_is_lost_whatever_links_the_program() {
    let gnu = linking("-Clink-arg=-fuse-ld=bfd");
    let lld = linking("-Clink-arg=-fuse-ld=lld");
    for (linker, flags) in [("GNU ld", gnu), ("lld", lld)] {
        for release in [false, true] {
            let program = build("fleet-service", release, &flags);
            assert_eq!(
                is_of_lld(&program),
                linker == "lld",
                "{linker} did not link it"
            );
            let output = run(program);
            assert!(
                output.status.success(),
                "{linker}: {}",
                text(&output.stderr)
            );
            let topology: serde_json::Value =
                serde_json::from_slice(&output.stdout).expect("the topology is JSON");
            assert_eq!(
                names(&topology, "events"),
                EVENTS,
                "{linker}, release: {release}"
            );
            assert_eq!(
                names(&topology, "handlers"),
                HANDLERS,
                "{linker}, release: {release}"
            );
        }
    }
}

#[test]
fn a_service_hears_the_events_of_another_crate() {
    let subscriptions: Vec<_> = fleet_service::app()
        .topology()
        .subscriptions
        .iter()
        .map(|subscription| {
            let topic = subscription.topic.map(|topic| topic.to_string());
            (subscription.handler, topic.unwrap_or_default())
        })
        .collect();
    let expected = SUBSCRIPTIONS.map(|(handler, topic)| (handler, topic.to_owned()));
    assert_eq!(subscriptions, expected);
}

#[test]
fn two_sets_of_streamers_serve_one_program() {
    assert!(fleet_service::app().check().is_ok());
}

#[test]
fn a_crate_that_is_never_named_is_told_at_the_start() {
    let output = run(build("fleet-forgotten", false, &[]));
    assert!(!output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("use that_crate as _;"), "{said}");
}
