//! What fuzzing found, and what leads to all that it reached: each promise still holds.

use std::path::{Path, PathBuf};
use std::{fs, io};

#[allow(unreachable_pub, reason = "the fuzz targets are of another crate")]
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

/// Runs each file of a target's corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = files(&corpus.join(target)).expect("a corpus");
    assert!(!files.is_empty(), "{target} has a corpus");
    for file in files {
        // Where one fails, the last that is said is its name.
        println!("{}", file.display());
        run(&fs::read(&file).expect("a file"));
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let files: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    files
}

macro_rules! replayed {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target);
        }
    )*};
}

replayed!(avro avro_schema json messagepack cbor structured binary envelope schemas topology url);
