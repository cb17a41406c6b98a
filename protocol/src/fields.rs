//! Fields off the front of a message of which only the first bytes may be here: a head is enough to read it, the body
//! behind stays where it is.

use std::ops::Range;

use crate::codec::{push_varint, read_varint};

/// What of a message has not been read yet.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    /// Where in the message `rest` ends.
    head_len: usize,
    len: usize,
}

impl<'a> Fields<'a> {
    /// A message of `len` bytes, of which `head` holds the first ones.
    pub(crate) fn new(head: &'a [u8], len: usize) -> Self {
        let head_len = head.len().min(len);
        Self { rest: &head[..head_len], head_len, len }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        read_varint(&mut self.rest)
    }

    /// Text of at most `max` bytes. A forged length costs nothing: nothing is copied here.
    pub(crate) fn text(&mut self, max: usize) -> Option<&'a str> {
        let len = usize::try_from(self.number()?).ok().filter(|len| *len <= max)?;
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }

    /// Where in the message everything is that has not been read, up to its end.
    pub(crate) fn body(&self) -> Range<usize> {
        self.head_len - self.rest.len()..self.len
    }
}

/// Starts a message: its kind, and the number of what it is about.
pub(crate) fn start(out: &mut Vec<u8>, kind: u8, id: u64) {
    out.push(kind);
    push_varint(out, id);
}

/// Appends text as [`Fields::text`] reads it.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_off_the_front_and_the_body_need_not_be_here() {
        let mut message = Vec::new();
        start(&mut message, 9, 300);
        push_text(&mut message, "hé");
        let mut fields = Fields::new(&message, 1000);
        assert_eq!((fields.byte(), fields.number(), fields.text(3)), (Some(9), Some(300), Some("hé")));
        assert_eq!((fields.body(), fields.byte(), fields.number()), (7..1000, None, None));
    }

    #[test]
    fn texts_that_are_too_long_cut_short_or_not_text_are_refused() {
        assert_eq!(Fields::new(b"\x03abc", 4).text(2), None);
        assert_eq!(Fields::new(b"\x03ab", 3).text(9), None);
        assert_eq!(Fields::new(b"\x03abc", 3).text(9), None);
        assert_eq!(Fields::new(b"\x01\xff", 2).text(9), None);
        assert_eq!(Fields::new(&[0xff; 9], 9).text(usize::MAX), None);
    }
}
