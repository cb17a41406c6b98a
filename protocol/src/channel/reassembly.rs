//! Half-received messages: fragments kept as they arrive, within bounds.

use super::error::FrameError;
use super::frame::{CHUNK_BYTES, Fragment};
use crate::limits;
use crate::sorted_map::SortedMap;

/// The messages of one peer on one channel of which only a part has arrived.
#[derive(Debug)]
pub(super) struct Reassembly<C> {
    partials: SortedMap<u64, Partial<C>>,
    bytes: usize,
    /// Fragments may be lost, so a message that stays incomplete is no fault and gives way to newer ones.
    lossy: bool,
}

/// Nothing is reserved for the declared total: memory follows what has arrived.
#[derive(Debug)]
struct Partial<C> {
    total: usize,
    received: usize,
    /// By offset. All but the last have one size, so there are at most about a thousand, and no two overlap.
    chunks: Vec<(usize, C)>,
}

impl<C> Reassembly<C> {
    pub(super) fn new(lossy: bool) -> Self {
        Self { partials: SortedMap::default(), bytes: 0, lossy }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much of a message is there without a gap from its start.
    pub(super) fn received(&self, seq: u64) -> usize {
        let Some(partial) = self.partials.get(&seq) else { return 0 };
        let whole =
            partial.chunks.iter().enumerate().take_while(|(at, (offset, _))| *offset == at * CHUNK_BYTES);
        // All chunks but a message's last have one size, and a message with its last chunk and no gap is complete.
        whole.count() * CHUNK_BYTES
    }

    /// Takes a fragment; gives the chunks of its message, in order, if that is now complete. `chunk` is called only
    /// if the fragment is kept.
    pub(super) fn add(
        &mut self,
        fragment: &Fragment,
        chunk: impl FnOnce() -> C,
    ) -> Result<Option<Vec<C>>, FrameError> {
        let &Fragment { seq, total, offset, ref body } = fragment;
        let at = match self.partials.get(&seq) {
            None => 0,
            Some(partial) if partial.total != total => return Err(FrameError::Contradiction { seq, offset }),
            Some(partial) => match partial.chunks.binary_search_by_key(&offset, |&(offset, _)| offset) {
                Err(at) => at,
                // Sent again, over this path or another.
                Ok(_) => return Ok(None),
            },
        };
        if !self.make_room(seq, body.len())? {
            return Ok(None);
        }
        self.bytes += body.len();
        let partial =
            self.partials.get_or_insert_with(seq, || Partial { total, received: 0, chunks: Vec::new() });
        partial.received += body.len();
        partial.chunks.insert(at, (offset, chunk()));
        if partial.received < total {
            return Ok(None);
        }
        let chunks = self.remove(seq).map(|partial| partial.chunks).unwrap_or_default();
        Ok(Some(chunks.into_iter().map(|(_, chunk)| chunk).collect()))
    }

    /// Makes room for `len` more bytes of message `seq`. `false` if it is itself what has to give way.
    fn make_room(&mut self, seq: u64, len: usize) -> Result<bool, FrameError> {
        let max =
            if self.lossy { limits::MAX_PARTIAL_MESSAGES } else { limits::MAX_RELIABLE_PARTIAL_MESSAGES };
        loop {
            let messages = self.partials.len() + usize::from(!self.partials.contains_key(&seq));
            if messages <= max && self.bytes + len <= limits::MAX_PARTIAL_BYTES {
                return Ok(true);
            }
            if !self.lossy {
                return Err(FrameError::ReassemblyLimit);
            }
            match self.partials.first_key() {
                Some(oldest) if oldest <= seq => {
                    self.remove(oldest);
                    if oldest == seq {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
    }

    fn remove(&mut self, seq: u64) -> Option<Partial<C>> {
        let partial = self.partials.remove(&seq)?;
        self.bytes -= partial.received;
        Some(partial)
    }

    /// Drops every message older than `seq`.
    pub(super) fn forget_before(&mut self, seq: u64) {
        while let Some(oldest) = self.partials.first_key()
            && oldest < seq
        {
            self.remove(oldest);
        }
    }
}
