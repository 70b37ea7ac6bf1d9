//! Words that a program has few of, and says with each event.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use arcstr::ArcStr;

/// What has been said once. Never forgotten: whoever adds to it vouches that it is of a small number.
static SAID: Mutex<Option<HashSet<ArcStr>>> = Mutex::new(None);

/// A text that lives as long as the program, so that nobody counts its clones: the name of an event
/// or a service, the number of a stream. Not for what comes from outside.
pub(crate) fn word(text: &str) -> ArcStr {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let said = said.get_or_insert_default();
    if let Some(word) = said.get(text) {
        return word.clone();
    }
    let word = ArcStr::from(text);
    word.leak();
    said.insert(word.clone());
    word
}

#[cfg(test)]
mod tests {
    use arcstr::ArcStr;

    use super::word;

    #[test]
    fn a_word_is_one_text_however_often_it_is_said() {
        let (one, other) = (word("posts"), word("posts"));
        assert_eq!(one, "posts");
        assert!(ArcStr::ptr_eq(&one, &other));
        assert!(ArcStr::is_static(&one));
    }
}
