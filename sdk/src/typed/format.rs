//! How the messages of a channel are written.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{compact, json};
use crate::driver::Payload;
use crate::error::Error;

/// The ways there are. Channels of plain bytes have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Compact,
}

impl Format {
    pub(super) fn encode<T: Serialize>(self, message: &T) -> Result<Payload, Error> {
        match self {
            Self::Json => Ok(Payload::text(&json::encode(message)?)),
            Self::Compact => Ok(Payload::bytes(&compact::encode(message)?)),
        }
    }

    pub(super) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, Error> {
        match self {
            Self::Json => json::decode(bytes),
            Self::Compact => compact::decode(bytes),
        }
    }
}
