//! Byte arrays of fixed length on the wire: the bytes, with nothing before them.
//!
//! The same bytes as serde's own arrays, which are unrolled item by item and so cost a kilobyte of WebAssembly for each
//! length. For `#[serde(with = "octets")]`, or as [`Octets`] where there is no field.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{SerializeTuple, Serializer};
use serde::{Deserialize, Serialize};

/// An array on its way in or out.
pub(crate) struct Octets<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Serialize for Octets<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for Octets<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OctetsVisitor<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for OctetsVisitor<N> {
            type Value = [u8; N];
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<[u8; N], A::Error> {
                let mut octets = [0; N];
                for (index, octet) in octets.iter_mut().enumerate() {
                    *octet = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(index, &self))?;
                }
                Ok(octets)
            }
        }
        deserializer.deserialize_tuple(N, OctetsVisitor).map(Self)
    }
}

pub(crate) fn serialize<S: Serializer, const N: usize>(
    octets: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    Octets(*octets).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    Octets::deserialize(deserializer).map(|octets| octets.0)
}
