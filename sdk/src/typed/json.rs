//! Rust values as JSON text, by way of the browser's own JSON: no second JSON parser is shipped.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

fn codec(error: impl std::fmt::Display) -> Error {
    Error::Codec(error.to_string())
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    let value = value.serialize(&serializer).map_err(codec)?;
    let text = js_sys::JSON::stringify(&value).map_err(|error| Error::thrown(&error))?;
    text.as_string().ok_or_else(|| codec("the value has no JSON form"))
}

pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let value = js_sys::JSON::parse(text).map_err(|_| codec("not JSON"))?;
    serde_wasm_bindgen::from_value(value).map_err(codec)
}
