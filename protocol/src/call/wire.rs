//! How messages of calls are written and read.
//!
//! ```text
//! request  = 0x10  id:varint  method:varint  body      from the caller
//! response = 0x11  id:varint  body                     to the caller
//! failure  = 0x12  id:varint  code:text  message:text  to the caller
//! cancel   = 0x13  id:varint                           from the caller
//! ```

use std::ops::Range;
use std::rc::Rc;

use crate::channel::Payload;
use crate::fields::Fields;
use crate::limits;

pub(super) const REQUEST: u8 = 0x10;
pub(super) const RESPONSE: u8 = 0x11;
pub(super) const FAILURE: u8 = 0x12;
pub(super) const CANCEL: u8 = 0x13;

/// What one message says of a call.
pub(super) enum Parsed<'a> {
    Request {
        method: u64,
        body: Range<usize>,
    },
    Response(Range<usize>),
    Failure {
        code: &'a str,
        message: &'a str,
    },
    Cancel,
    /// Of a kind that this version does not know.
    Unknown,
}

/// The call's number and what is said of it. `None` when the message is malformed.
pub(super) fn parse(head: &[u8], len: usize) -> Option<(u64, Parsed<'_>)> {
    let mut fields = Fields::new(head, len);
    let kind = fields.byte()?;
    if !(REQUEST..=CANCEL).contains(&kind) {
        return Some((0, Parsed::Unknown));
    }
    let id = fields.number()?;
    let body =
        |fields: &Fields<'_>| Some(fields.body()).filter(|body| body.len() <= limits::MAX_CALL_BODY_BYTES);
    let parsed = match kind {
        REQUEST => {
            let method = fields.number()?;
            Parsed::Request { method, body: body(&fields)? }
        }
        RESPONSE => Parsed::Response(body(&fields)?),
        FAILURE => {
            let code = fields.text(limits::MAX_CALL_CODE_BYTES)?;
            Parsed::Failure { code, message: fields.text(limits::MAX_CALL_TEXT_BYTES)? }
        }
        _ => Parsed::Cancel,
    };
    Some((id, parsed))
}

/// One message to send: a short head, and a body that stays where it is. As a [`Payload`] it is both.
#[derive(Debug, Clone)]
pub struct Message<P> {
    /// The first bytes.
    pub head: Rc<[u8]>,
    /// The bytes behind them.
    pub body: Option<P>,
}

impl<P: Payload> Payload for Message<P> {
    fn len(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, P::len)
    }

    fn append_range(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let head = self.head.len();
        out.extend_from_slice(&self.head[range.start.min(head)..range.end.min(head)]);
        if let Some(body) = self.body.as_ref().filter(|_| range.end > head) {
            body.append_range(range.start.max(head) - head..range.end - head, out);
        }
    }
}
