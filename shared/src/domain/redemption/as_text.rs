//! A part of an item as one text of JSON.
//!
//! Every value of an item is otherwise an attribute by itself: named, allocated, hashed and sent on its own. Nothing asks the table for
//! the parts of such a text; they are written and read together.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn serialize<T: Serialize, S: Serializer>(part: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&serde_json::to_string(part).map_err(S::Error::custom)?)
}

pub(super) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    match Form::deserialize(from)? {
        Form::Text(text) => serde_json::from_str(&text).map_err(D::Error::custom),
        Form::Attributes(part) => Ok(part),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Form<T> {
    Text(String),
    /// As it was before it was one text.
    Attributes(T),
}
