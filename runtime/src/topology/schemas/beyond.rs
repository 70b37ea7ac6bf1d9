//! Between programs: what the one writes and the other one reads.

use serde_json::Value;

use super::compare::{Gap, What, gaps};
use super::field;
#[cfg(feature = "testing")]
use super::{Lock, without_notes};

/// Why a program does not read what another one writes; nothing where it does.
pub(crate) fn unread(written: &Value, read: &Value) -> Vec<String> {
    gaps(written, read).iter().map(reason).collect()
}

fn reason(gap: &Gap) -> String {
    let field = field(gap);
    match &gap.what {
        What::Needed => format!("{field} is required where it is read, and need not be written"),
        What::Refused => format!("{field} is written, and refused as not known"),
        What::Value(value) => format!("{field} may have the value `{value}`, which is not known"),
        What::Type { written, read } => {
            format!("{field} is written as {written}, and read as {read}")
        }
        What::TooMuch => format!("{field} may be too many things to compare them all"),
        What::Keyword(keyword) => {
            format!("`{keyword}` of {field} differs, which is not understood here")
        }
    }
}

#[cfg(feature = "testing")]
impl Lock {
    /// What a program of each version does not read of each other version.
    pub(crate) fn changes(&self) -> Vec<String> {
        let of_one = self.events.values().flat_map(|versions| {
            let each = move |one| versions.values().map(move |other| (one, other));
            versions.values().flat_map(each)
        });
        let reasons = of_one.flat_map(|(one, other)| unread(one, &without_notes(other)));
        reasons.collect()
    }
}
