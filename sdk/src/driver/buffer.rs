//! Bytes that came in, left where the browser put them.

use std::ops::Range;

use js_sys::Uint8Array;
use peerloom_protocol::session;

/// A view of a JavaScript buffer. WebAssembly memory never shrinks, so nothing but headers is copied into it.
#[derive(Clone, Debug)]
pub(crate) struct Buffer(pub(crate) Uint8Array);

// Ranges fit: a buffer holds one frame, or one message of at most 16 MiB.
impl session::Buffer for Buffer {
    fn len(&self) -> usize {
        self.0.length() as usize
    }

    fn read_head(&self, len: usize, head: &mut Vec<u8>) {
        let len = len.min(self.len());
        head.resize(len, 0);
        self.0.subarray(0, len as u32).copy_to(head);
    }

    fn view(&self, range: Range<usize>) -> Self {
        Self(self.0.subarray(range.start as u32, range.end as u32))
    }

    fn concat(parts: &[Self], len: usize) -> Self {
        let whole = Uint8Array::new_with_length(len as u32);
        let mut offset = 0;
        for Self(part) in parts {
            whole.set(part, offset);
            offset += part.length();
        }
        Self(whole)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        Self(Uint8Array::from(bytes))
    }
}
