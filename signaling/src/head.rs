//! The head of a connection's first request, read before anything else is made for the connection.
//!
//! What serves HTTP has buffers of several kilobytes for each connection, from its first moment on. Who opens thousands of
//! connections and says nothing, or never ends a sentence, would have as many of them. Here such a connection costs what it has
//! said, and a task that waits.

use std::io::ErrorKind;

use crate::stream::ClientStream;

/// Read at once. On the stack, and not kept while waiting.
const PIECE_BYTES: usize = 4 * 1024;

/// Waits until the head is there, or as many bytes as it may have, and puts it back into the stream for whoever serves it.
/// False when the connection ends before.
pub(crate) async fn wait_for(stream: &mut ClientStream, most_bytes: usize) -> bool {
    let mut head = Vec::new();
    let mut looked_at = 0;
    while !is_whole(&head[looked_at..]) && head.len() < most_bytes {
        // What ends it may have begun in the last three bytes. All the rest is not looked at again, or one byte at a time would
        // cost much.
        looked_at = head.len().saturating_sub(3);
        if stream.readable().await.is_err() || !read_more(stream, &mut head) {
            return false;
        }
    }
    stream.put_back(head);
    true
}

/// Takes what has come. False at the end of the stream.
fn read_more(stream: &ClientStream, head: &mut Vec<u8>) -> bool {
    let mut piece = [0; PIECE_BYTES];
    match stream.try_read(&mut piece) {
        Ok(0) => false,
        Ok(read) => {
            // Not twice as much as there is, as a vector would have: most of those who wait have said little.
            head.reserve_exact(read);
            head.extend_from_slice(&piece[..read]);
            true
        }
        // It only looked as if there was something.
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

/// Whether an empty line has come. The parser takes lines without a carriage return too.
fn is_whole(head: &[u8]) -> bool {
    let ends = |at: usize| matches!(&head[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]);
    head.iter().enumerate().any(|(at, byte)| *byte == b'\n' && ends(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line() {
        for whole in
            ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "a\r\nb\r\n\r\nmore", "a\n\r\n"]
        {
            assert!(is_whole(whole.as_bytes()), "{whole:?}");
        }
        for part in ["", "\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r", "a\r\r\n", "\r\n"] {
            assert!(!is_whole(part.as_bytes()), "{part:?}");
        }
    }
}
