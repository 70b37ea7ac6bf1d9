//! What reads what comes from outside and has no public door, for the fuzz targets alone.

use crate::codec::{Codec, CodecError};
use crate::event::Event;

/// An event's payload in a codec.
pub fn write<E: Event>(event: &E, codec: Codec) -> Result<Vec<u8>, CodecError> {
    codec.write(event).map(Vec::from)
}

/// What a `fanfare.schemas.json` says, each version compared with each other one of its event.
#[cfg(feature = "cli")]
pub fn schemas(text: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    let lock: crate::topology::schemas::Lock = serde_json::from_slice(text)?;
    Ok(lock.changes())
}

/// All that `topology merge` says of services: disagreements, the list, and three pictures.
#[cfg(feature = "cli")]
pub fn merge<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> crate::error::Result<String> {
    use crate::topology::fleet::Fleet;
    use crate::topology::picture::{Listing, Picture};

    let fleet = Fleet::read(files)?;
    let found = fleet.disagreements();
    let found: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
    let found = found.join("\n");
    let picture = Picture::of(&fleet);
    let (list, mermaid) = (Listing(&fleet), picture.mermaid());
    Ok(format!(
        "{found}{list}{mermaid}{}{}",
        picture.dot(),
        picture.svg()
    ))
}
