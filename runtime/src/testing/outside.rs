//! What reads what comes from outside and has no public door, for the fuzz targets alone.

use crate::codec::{Codec, CodecError};
use crate::event::Event;

/// An event's payload in a codec.
pub fn write<E: Event>(event: &E, codec: Codec) -> Result<Vec<u8>, CodecError> {
    codec.write(event).map(Vec::from)
}

/// What a schema of Avro, which may refer to others, makes of a payload: JSON.
#[cfg(feature = "avro")]
pub fn read_avro(schema: &str, others: &[String], datum: &[u8]) -> Result<Vec<u8>, CodecError> {
    use crate::codec::avro::{Shape, to_json};

    to_json(&Shape::parse(schema, others)?, datum)
}

/// And the way back.
#[cfg(feature = "avro")]
pub fn write_avro(schema: &str, json: &[u8]) -> Result<Vec<u8>, CodecError> {
    use crate::codec::avro::{Shape, framed, from_json};

    let payload = from_json(&Shape::parse(schema, &[])?, 0, json)?;
    let (_, datum) = framed(&payload).expect("what is written is framed");
    Ok(datum.to_vec())
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
