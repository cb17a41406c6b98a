//! As much of WebSocket (RFC 6455) as a client needs that knows what it will be sent.

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// An HTTP response, then WebSocket frames.
    WebSocket,
    /// Four bytes of length before each message.
    Length,
}

/// What a WebSocket frame holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
}

/// Any will do: it keeps proxies from being fooled, and there are none.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) fn upgrade_request(host: &str, path: &str, headers: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
    .into_bytes()
}

/// A whole message in one frame.
pub(crate) fn client_frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode as u8];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

pub(crate) fn length_frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

impl Framing {
    /// Splits the answer to an upgrade request off, if all of it is there: its status and what follows.
    pub(crate) fn split_response(bytes: &[u8]) -> Option<(&str, &[u8])> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let status = bytes[..end].split(|&byte| byte == b' ').nth(1)?;
        Some((std::str::from_utf8(status).ok()?, &bytes[end + 4..]))
    }

    /// Splits the first message off, if all of it is there. Only what a server sends: no mask, and all in one frame.
    pub(crate) fn split_message(self, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
        let (len, rest) = match self {
            Self::Length => {
                let (len, rest) = bytes.split_first_chunk()?;
                (u32::from_be_bytes(*len) as usize, rest)
            }
            Self::WebSocket => {
                let ([_, len], rest) = bytes.split_first_chunk()?;
                match len & 0x7f {
                    126 => {
                        let (len, rest) = rest.split_first_chunk()?;
                        (u16::from_be_bytes(*len).into(), rest)
                    }
                    127 => {
                        let (len, rest) = rest.split_first_chunk()?;
                        (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
                    }
                    len => (len.into(), rest),
                }
            }
        };
        rest.split_at_checked(len)
    }
}
