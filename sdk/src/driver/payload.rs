//! Message bytes on both sides of the WebAssembly border.

use std::ops::Range;
use std::rc::Rc;

use js_sys::Uint8Array;
use peerloom_protocol::{channel, codec};

/// One message to send. Small ones live here, alone or with those sent together; large ones stay JavaScript's and are
/// copied frame by frame, because WebAssembly memory never shrinks.
#[derive(Clone)]
pub(crate) enum Payload {
    Here(Rc<Vec<u8>>, Range<usize>),
    There(Uint8Array),
}

/// Messages above this stay where they are.
const COPY_BELOW_BYTES: u32 = 64 * 1024;

impl Payload {
    pub(crate) fn text(text: &str) -> Self {
        Self::bytes(text.as_bytes())
    }

    /// Messages that came as one text, each ended by a line feed.
    #[cfg_attr(not(feature = "npm"), allow(dead_code))] // Rust sends from Rust, where nothing is dear to cross.
    pub(crate) fn lines(text: String) -> Vec<Self> {
        let bytes = Rc::new(text.into_bytes());
        let mut start = 0;
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        ends.map(|end| Self::Here(bytes.clone(), std::mem::replace(&mut start, end + 1)..end)).collect()
    }

    /// Messages that came as one array, each behind its length as a varint.
    #[cfg_attr(not(feature = "npm"), allow(dead_code))] // As above.
    pub(crate) fn parts(bytes: Vec<u8>) -> Vec<Self> {
        let bytes = Rc::new(bytes);
        let mut rest = &bytes[..];
        let mut parts = Vec::new();
        while let Some(len) = codec::read_varint(&mut rest)
            && len <= rest.len() as u64
        {
            let start = bytes.len() - rest.len();
            let end = start + len as usize;
            parts.push(Self::Here(bytes.clone(), start..end));
            rest = &bytes[end..];
        }
        parts
    }

    fn here(bytes: Vec<u8>) -> Self {
        let all = 0..bytes.len();
        Self::Here(Rc::new(bytes), all)
    }

    /// Copies the bytes, to where they are cheapest to keep.
    pub(crate) fn bytes(bytes: &[u8]) -> Self {
        if bytes.len() <= COPY_BELOW_BYTES as usize {
            Self::here(bytes.to_vec())
        } else {
            Self::There(Uint8Array::from(bytes))
        }
    }

    /// Copies an array that its owner may change at once, to where its bytes are cheapest to keep.
    #[cfg_attr(not(feature = "npm"), allow(dead_code))] // Only JavaScript brings arrays of its own.
    pub(crate) fn array(array: Uint8Array) -> Self {
        if array.length() <= COPY_BELOW_BYTES {
            Self::here(array.to_vec())
        } else {
            Self::There(array.slice(0, array.length()))
        }
    }
}

impl channel::Payload for Payload {
    fn len(&self) -> usize {
        match self {
            Self::Here(_, here) => here.len(),
            Self::There(array) => array.length() as usize,
        }
    }

    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Here(bytes, here) => out.extend_from_slice(&bytes[here.clone()][range]),
            Self::There(array) => {
                let start = out.len();
                out.resize(start + range.len(), 0);
                // A message is at most 16 MiB, so its offsets fit.
                array.subarray(range.start as u32, range.end as u32).copy_to(&mut out[start..]);
            }
        }
    }
}
