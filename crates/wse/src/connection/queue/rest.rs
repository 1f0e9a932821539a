//! What follows the first bytes of a queue. It owns nothing while there is nothing, as most often: every
//! connection has two queues.

use bytes::Bytes;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Rest(Option<Box<Chunks>>);

#[derive(Debug, Default)]
struct Chunks {
    chunks: VecDeque<Chunk>,
    /// Bytes of all of them.
    bytes: usize,
}

#[derive(Debug)]
pub(super) enum Chunk {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Chunk::Own(buffer) => buffer,
            Chunk::Shared(bytes) => bytes,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.as_slice().len()
    }
}

impl Rest {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of all chunks.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |rest| rest.bytes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Chunk> {
        self.0.iter().flat_map(|rest| rest.chunks.iter())
    }

    pub(super) fn push_back(&mut self, chunk: Chunk) {
        let rest = self.0.get_or_insert_default();
        rest.bytes += chunk.len();
        rest.chunks.push_back(chunk);
    }

    pub(super) fn push_front(&mut self, chunk: Chunk) {
        let rest = self.0.get_or_insert_default();
        rest.bytes += chunk.len();
        rest.chunks.push_front(chunk);
    }

    /// Copies bytes behind all others, into the last buffer unless that holds `full` bytes.
    pub(super) fn copy(&mut self, bytes: &[u8], full: usize) {
        if let Some(rest) = &mut self.0
            && let Some(Chunk::Own(buffer)) = rest.chunks.back_mut()
            && buffer.len() < full
        {
            rest.bytes += bytes.len();
            return buffer.extend_from_slice(bytes);
        }
        self.push_back(Chunk::Own(bytes.to_vec()));
    }

    pub(super) fn pop_front(&mut self) -> Option<Chunk> {
        let rest = self.0.as_mut()?;
        let chunk = rest.chunks.pop_front()?;
        rest.bytes -= chunk.len();
        if rest.chunks.is_empty() {
            self.0 = None;
        }
        Some(chunk)
    }
}
