//! Rust values as JSON text, by way of the browser's own JSON: no second JSON parser is shipped.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    let value = value.serialize(&serializer).map_err(Error::codec)?;
    let text = js_sys::JSON::stringify(&value).map_err(|error| Error::thrown(&error))?;
    text.as_string().ok_or_else(|| Error::codec("the value has no JSON form"))
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let text = std::str::from_utf8(bytes).map_err(Error::codec)?;
    let value = js_sys::JSON::parse(text).map_err(|_| Error::codec("not JSON"))?;
    serde_wasm_bindgen::from_value(value).map_err(Error::codec)
}

#[cfg(all(test, target_arch = "wasm32"))]
#[allow(clippy::unwrap_used)] // A failed step is a failed test.
mod tests {
    use serde::{Deserialize, Serialize};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::{decode, encode};

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Chat {
        text: String,
        at: f64,
        tags: Option<Vec<u8>>,
    }

    #[wasm_bindgen_test]
    fn values_are_the_json_that_typescript_writes() {
        let chat = Chat { text: "hi \u{1F9F6}".into(), at: 1.5, tags: Some(vec![1, 2]) };
        let text = encode(&chat).unwrap();
        assert_eq!(text, "{\"text\":\"hi \u{1F9F6}\",\"at\":1.5,\"tags\":[1,2]}");
        assert_eq!(decode::<Chat>(text.as_bytes()), Ok(chat));
        assert_eq!(decode::<Chat>(b"{\"text\":\"x\"}").unwrap_err().code(), "invalid-message");
        assert_eq!(decode::<Chat>(b"\xff").unwrap_err().code(), "invalid-message");
    }
}
