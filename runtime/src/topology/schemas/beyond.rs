//! Between programs: what the one writes and the other one reads.

use serde_json::Value;

use super::compare::{Gap, What, gaps};
use super::field;

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
