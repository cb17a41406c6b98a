//! Messages of a declared shape as [postcard](https://postcard.jamesmunns.com/wire-format): names and types do not travel.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// What both sides of a compact channel must have alike. Write it as `peerloom/compact` of TypeScript does (`docs/wire.md`
/// has a table), in the order of the type's fields: a page whose text is another does not fit together with this one
/// (`protocol-mismatch`).
///
/// ```
/// use peerloom::Compact;
/// use serde::{Deserialize, Serialize};
///
/// /// In TypeScript `record({ x: f64, y: f64, name: option(text), tags: list(u32) })`.
/// #[derive(Serialize, Deserialize)]
/// struct Cursor {
///     x: f64,
///     y: f64,
///     name: Option<String>,
///     tags: Vec<u32>,
/// }
///
/// impl Compact for Cursor {
///     const SHAPE: &str = "{x:f64,y:f64,name:option(text),tags:list(u32)}";
/// }
///
/// /// In TypeScript `variants("kind", { move: { x: f64 }, stop: {} })`.
/// #[derive(Serialize, Deserialize)]
/// enum Step {
///     Move { x: f64 },
///     Stop,
/// }
///
/// impl Compact for Step {
///     const SHAPE: &str = "kind{move{x:f64},stop{}}";
/// }
/// ```
pub trait Compact {
    /// The shape as text.
    const SHAPE: &'static str;
}

/// The codec's name: two peers compare it.
pub(super) fn name<T: Compact>() -> String {
    format!("compact-{:016x}", hash(T::SHAPE.as_bytes()))
}

/// FNV-1a of 64 bits. Nobody is to be kept from finding another text of the same hash.
fn hash(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(Error::codec)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(Error::codec)?;
    if rest.is_empty() { Ok(value) } else { Err(Error::codec("more bytes than the message has")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A failed step is a failed test.
mod tests {
    use serde::{Deserialize, Serialize};

    use super::{Compact, decode, encode, name};

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Step {
        Move { x: f64, by: Option<String>, at: i64 },
        Stop,
    }
    impl Compact for Step {
        const SHAPE: &str = "kind{move{x:f64,by:option(text),at:i53},stop{}}";
    }

    /// The example of `docs/wire.md`, which TypeScript is tested with too.
    #[test]
    fn values_are_the_bytes_that_typescript_writes() {
        assert_eq!(name::<Step>(), "compact-e05b223d5afb4812");
        let step = Step::Move { x: 1.5, by: Some("ada".into()), at: -3 };
        let bytes = encode(&step).unwrap();
        assert_eq!(bytes, b"\x00\0\0\0\0\0\0\xf8\x3f\x01\x03ada\x05");
        assert_eq!(decode::<Step>(&bytes), Ok(step));
        assert_eq!(encode(&Step::Stop).unwrap(), [1]);
        for bad in [&[2][..], &[1, 0], &[0, 1], b"\x00\0\0\0\0\0\0\xf8\x3f\x01\x03a\xffa\x05"] {
            assert_eq!(decode::<Step>(bad).unwrap_err().code(), "invalid-message", "{bad:?}");
        }
    }
}
