//! Reading what other programs have written.

use serde::Deserialize;

use super::Fleet;
use crate::error::{Error, Result};
use crate::event::printable;
use crate::topology::json::{FORM, TopologyForm};

impl Fleet {
    /// The services that `topology --json` has written, each with the name of its file. Fields that
    /// are not known are passed over.
    ///
    /// # Errors
    /// Names the first file that is none, and the place in it; or two files of one service.
    pub(crate) fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self> {
        let mut named: Vec<(&str, TopologyForm)> = Vec::new();
        for (file, text) in files {
            let service = read(text)
                .map_err(|reason| Error::msg(format!("`{file}`: {}", printable(reason))))?;
            let twin = named
                .iter()
                .find(|(_, known)| known.service == service.service);
            if let Some((other, _)) = twin {
                return Err(Error::msg(format!(
                    "`{file}` is of the service `{}`, as `{other}` is: give each service once",
                    printable(service.service)
                )));
            }
            named.push((file, service));
        }
        let mut services: Vec<_> = named.into_iter().map(|(_, service)| service).collect();
        services.sort_by(|one, other| one.service.cmp(&other.service));
        Ok(Fleet { services })
    }
}

/// All that has to be known before the rest is looked at.
#[derive(Deserialize)]
struct Head {
    form: Option<u32>,
}

fn read(text: &[u8]) -> Result<TopologyForm, String> {
    let malformed = |error| format!("this is not what `topology --json` writes: {error}");
    let head: Head = serde_json::from_slice(text).map_err(malformed)?;
    if let Some(form) = head.form.filter(|form| *form != FORM) {
        return Err(format!(
            "it is written in form {form}, and this program reads form {FORM}: let both use the same version of fanfare"
        ));
    }
    let service: TopologyForm = serde_json::from_slice(text).map_err(malformed)?;
    check(&service)?;
    Ok(service)
}

/// What is named somewhere is declared elsewhere in it.
fn check(service: &TopologyForm) -> Result<(), String> {
    for event in &service.events {
        let versions = service.schemas.get(&event.name);
        if versions.is_none_or(|versions| !versions.contains_key(&event.version)) {
            let event = event.title();
            return Err(format!("`schemas` has none of the event `{event}`"));
        }
    }
    let heard = service.handlers.iter().map(|it| (&it.name, &it.event));
    let subscribed = service
        .subscriptions
        .iter()
        .map(|it| (&it.handler, &it.event));
    for (handler, event) in heard.chain(subscribed) {
        if service.handler(handler).is_none() {
            return Err(format!(
                "`subscriptions` names the handler `{handler}`, which is not among the `handlers`"
            ));
        }
        if let Some(event) = event
            && service.event(event).is_none()
        {
            return Err(format!(
                "the handler `{handler}` hears the event `{} v{}`, which is not among the `events`",
                event.name, event.version
            ));
        }
    }
    Ok(())
}
