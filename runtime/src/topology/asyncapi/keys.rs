//! What the parts of the document are called.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Gives each part a key of its own.
#[derive(Default)]
pub(super) struct Keys(BTreeSet<String>);

impl Keys {
    /// A key of these parts, with a number where it is taken.
    pub(super) fn give(&mut self, parts: &[&str]) -> String {
        let wanted = key(parts);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        let mut keys = std::iter::once(wanted.clone()).chain(numbered);
        let key = keys.find(|key| !self.0.contains(key)).unwrap_or(wanted);
        self.0.insert(key.clone());
        key
    }
}

/// The parts with points between them, in the characters that keys may have.
fn key(parts: &[&str]) -> String {
    let mut key = String::new();
    for c in parts.join(".").replace("::", ".").chars() {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            key.push(c);
        } else {
            let _ = write!(key, "_x{:X}_", u32::from(c)); // a String takes all
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn a_key_has_the_characters_that_it_may_have_and_is_given_once() {
        let mut keys = Keys::default();
        assert_eq!(keys.give(&["main", "orders/eu"]), "main.orders_x2F_eu");
        assert_eq!(keys.give(&["a", "b.c"]), "a.b.c");
        assert_eq!(keys.give(&["a.b", "c"]), "a.b.c-2");
        assert_eq!(keys.give(&["a", "b", "c"]), "a.b.c-3");
    }
}
