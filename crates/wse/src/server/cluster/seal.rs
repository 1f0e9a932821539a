//! The seal of a cluster with a key: what travels between its nodes is hidden, and proves that it comes from a
//! node that has the key, not long ago and for the first time.
//!
//! A sealed datagram is `mark 0xC1 · key id u32 · node u64 · seconds u32 · count u64 · ciphertext · tag 16`, all
//! numbers big endian: AES-256-GCM (NIST SP 800-38D) with the head as associated data, four zero bytes and the
//! count as nonce, and a key for each node: HKDF-SHA-256 (RFC 5869) of the cluster's key, with the node's number
//! as info. A node draws its number at each start, so no nonce is ever used twice.

use crate::sync::Mutex;
use bytes::Bytes;
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use wse_cluster::NodeId;

/// The first byte of a sealed datagram. An open one begins with its version, which is never this.
const MARK: u8 = 0xC1;
/// Bytes before the ciphertext.
const HEAD: usize = 1 + 4 + 8 + 4 + 8;
/// A datagram is taken for so many seconds, by the clocks of both nodes.
const FRESH: u64 = 60;
/// So many nodes are remembered; beyond, those that were silent for longer than a datagram is fresh.
const NODES: usize = 512;
/// Words of the window of counts that may still come.
const WINDOW: usize = 16;

/// A key that all nodes of a cluster have: 32 bytes that nobody can guess. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterKey([u8; 32]);

impl From<[u8; 32]> for ClusterKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(..)")
    }
}

/// Why a datagram was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unopened {
    #[error("a datagram without a seal")]
    Unsealed,
    #[error("a datagram that no key of this cluster opens")]
    WrongKey,
    #[error("a datagram that was sent more than {FRESH} s ago, or by a node whose clock is wrong")]
    Stale,
    #[error("a datagram that has come before")]
    Replayed,
    #[error("a datagram of one node too many")]
    TooMany,
}

/// Seals with the first key and opens with any.
pub(crate) struct Seal {
    node: NodeId,
    count: AtomicU64,
    own: LessSafeKey,
    keys: Vec<Root>,
    seen: Mutex<HashMap<(u32, NodeId), Seen>>,
}

/// One key of the cluster, from which those of the nodes are made.
struct Root {
    id: u32,
    key: hkdf::Prk,
}

/// What has come from one node.
struct Seen {
    key: LessSafeKey,
    counts: Counts,
    /// The wall clock's second of the last one.
    at: u64,
}

/// Which of the last counts have come.
struct Counts {
    /// The highest that has come.
    highest: u64,
    /// A bit for each count that shares its place with none other of the last ones.
    bits: [u64; WINDOW],
}

impl Root {
    fn new(ClusterKey(bytes): &ClusterKey) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        let id = hash.as_ref().first_chunk().map_or(0, |first| u32::from_be_bytes(*first));
        Self { id, key: hkdf::Salt::new(hkdf::HKDF_SHA256, b"wse cluster").extract(bytes) }
    }

    /// The key of a node.
    fn of(&self, node: NodeId) -> LessSafeKey {
        let info = node.number().to_be_bytes();
        let info = [&info[..]];
        let key = self.key.expand(&info, &AES_256_GCM).map(UnboundKey::from);
        // The length asked for is the algorithm's, which is all that expanding can refuse.
        LessSafeKey::new(key.unwrap_or_else(|_| unreachable!("HKDF gives 32 bytes")))
    }
}

impl Counts {
    /// Notes a count. False when it has come before, or is so old that nobody knows.
    fn note(&mut self, count: u64) -> bool {
        let places = 64 * WINDOW as u64;
        if count > self.highest {
            let newer = (self.highest + 1..=count).take(WINDOW * 64);
            newer.for_each(|between| self.bits[place(between)] &= !bit(between));
            self.highest = count;
        } else if self.highest - count >= places || self.bits[place(count)] & bit(count) != 0 {
            return false;
        }
        self.bits[place(count)] |= bit(count);
        true
    }
}

fn place(count: u64) -> usize {
    (count / 64) as usize % WINDOW
}

fn bit(count: u64) -> u64 {
    1 << (count % 64)
}

fn nonce(count: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl Seal {
    /// `None` without a key. The first seals.
    pub(crate) fn new(node: NodeId, keys: &[ClusterKey]) -> Option<Self> {
        let keys: Vec<Root> = keys.iter().map(Root::new).collect();
        let own = keys.first()?.of(node);
        Some(Self { node, count: AtomicU64::new(1), own, keys, seen: Mutex::default() })
    }

    /// A datagram as it travels.
    pub(crate) fn seal(&self, datagram: &[u8], second: u64) -> Bytes {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut sealed = Vec::with_capacity(HEAD + datagram.len() + MAX_TAG_LEN);
        sealed.push(MARK);
        sealed.extend(self.keys.first().map_or(0, |key| key.id).to_be_bytes());
        sealed.extend(self.node.number().to_be_bytes());
        sealed.extend((second as u32).to_be_bytes());
        sealed.extend(count.to_be_bytes());
        let (head, mut body) = (Aad::from(sealed.clone()), datagram.to_vec());
        // It refuses only what is longer than 64 GiB.
        if self.own.seal_in_place_append_tag(nonce(count), head, &mut body).is_ok() {
            sealed.extend(body);
        }
        sealed.into()
    }

    /// The datagram in a sealed one: whole, of a node with a key, fresh, and for the first time.
    ///
    /// # Errors
    /// When it is not that. Nothing is remembered of it then.
    pub(crate) fn open(&self, sealed: &[u8], second: u64) -> Result<Bytes, Unopened> {
        let (head, body) = sealed.split_at_checked(HEAD).ok_or(Unopened::Unsealed)?;
        let (mark, rest) = head.split_first().ok_or(Unopened::Unsealed)?;
        if *mark != MARK {
            return Err(Unopened::Unsealed);
        }
        let number = |from: usize, bytes: usize| {
            rest[from..from + bytes].iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let (id, node, sent, count) = (number(0, 4) as u32, NodeId::new(number(4, 8)), number(12, 4), number(16, 8));
        // Seconds wrap in 2106.
        let age = (second as u32).wrapping_sub(sent as u32);
        if u64::from(age.min(age.wrapping_neg())) > FRESH {
            return Err(Unopened::Stale);
        }
        let root = self.keys.iter().find(|root| root.id == id).ok_or(Unopened::WrongKey)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut body = body.to_vec();
        let mut open = |key: &LessSafeKey| {
            let opened = key.open_in_place(nonce(count), Aad::from(head), &mut body);
            opened.map(|datagram| datagram.len()).map_err(|_| Unopened::WrongKey)
        };
        let length = match seen.get_mut(&(id, node)) {
            Some(known) => {
                let length = open(&known.key)?;
                known.at = second;
                if !known.counts.note(count) {
                    return Err(Unopened::Replayed);
                }
                length
            }
            None => {
                let key = root.of(node);
                let length = open(&key)?;
                if seen.len() >= NODES {
                    // What they have sent is stale by now, so that it is not taken again.
                    seen.retain(|_, seen| second <= seen.at + 2 * FRESH);
                }
                if seen.len() >= NODES {
                    return Err(Unopened::TooMany);
                }
                let mut counts = Counts { highest: 0, bits: [0; WINDOW] };
                counts.note(count);
                seen.insert((id, node), Seen { key, counts, at: second });
                length
            }
        };
        drop(seen);
        body.truncate(length);
        Ok(body.into())
    }
}

#[cfg(test)]
mod tests;
