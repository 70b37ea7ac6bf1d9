//! Letters by the name that they are asked for.

use std::sync::Arc;

use crate::app::Running;
use crate::error::{Error, Result};
use crate::store::{DeadLetter, Store};

/// How many letters are read at once.
const PAGE: usize = 100;

/// The letters of one handler, or all, page by page.
pub(super) struct Letters<'a> {
    store: &'a Arc<dyn Store>,
    running: &'a Running,
    handler: Option<&'a str>,
    after: u64,
    page: std::vec::IntoIter<(u64, DeadLetter)>,
}

impl<'a> Letters<'a> {
    pub(super) fn new(running: &'a Running, handler: Option<&'a str>, after: u64) -> Result<Self> {
        Ok(Letters {
            store: running.store()?,
            running,
            handler,
            after,
            page: Vec::new().into_iter(),
        })
    }

    pub(super) async fn next(&mut self) -> Result<Option<(u64, DeadLetter)>> {
        loop {
            for (number, letter) in self.page.by_ref() {
                let whose = self.handler.is_none_or(|handler| {
                    letter.handler == handler
                        || letter.handler == self.running.topology().full_name(handler)
                });
                if whose {
                    return Ok(Some((number, letter)));
                }
            }
            let page = self.store.dead_letters(self.after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            self.after = *last;
            self.page = page.into_iter();
        }
    }
}

/// An error where a name is of no handler and no topic of this program: it is misspelt, or those of
/// its letters that there were are gone.
pub(super) fn check_name(running: &Running, handler: Option<&str>) -> Result<()> {
    let Some(name) = handler else { return Ok(()) };
    let known = running.letter_names();
    let mut whole = known.iter();
    if whole.any(|known| known == name || *known == running.topology().full_name(name)) {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
    Err(Error::msg(format!(
        "there are no dead letters of `{name}`, which is no handler and no topic of this program: it has {}",
        known.join(", ")
    )))
}
