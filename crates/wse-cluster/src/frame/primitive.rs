//! Numbers, texts and bytes of frames and datagrams. Numbers of fixed size are big endian; a varint has seven bits a
//! byte, the lowest first, and no byte more than it needs. Nothing is taken from memory for more than is there.

use crate::{DeviceId, Hlc, Malformed, NodeId};
use bytes::Bytes;

/// Appends a varint.
pub(crate) fn put_varint(out: &mut impl Extend<u8>, mut number: u64) {
    while number >= 0x80 {
        out.extend([number as u8 | 0x80]);
        number >>= 7;
    }
    out.extend([number as u8]);
}

/// Appends bytes with their length before them.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a device's id.
pub(super) fn put_device(out: &mut Vec<u8>, id: DeviceId) {
    put_u64(out, id.node().number());
    put_u64(out, id.number());
}

pub(super) fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Reads what is left of a piece of a datagram.
pub(crate) struct Reader<'a> {
    /// The whole, of which payloads become slices.
    source: &'a Bytes,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `part`, which lies within `source`.
    pub(crate) fn new(source: &'a Bytes, part: &'a [u8]) -> Self {
        Self { source, rest: part }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither yes nor no")),
        }
    }

    pub(crate) fn node(&mut self) -> Result<NodeId, Malformed> {
        self.u64().map(NodeId::new)
    }

    pub(crate) fn device(&mut self) -> Result<DeviceId, Malformed> {
        Ok(DeviceId::new(self.node()?, self.u64()?))
    }

    pub(crate) fn hlc(&mut self) -> Result<Hlc, Malformed> {
        self.u64().map(Hlc)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                break;
            }
            number |= bits << (7 * place);
            if byte < 0x80 {
                let longer_than_needed = byte == 0 && place > 0;
                return if longer_than_needed { Err(Malformed("a number is too long")) } else { Ok(number) };
            }
        }
        Err(Malformed("a number is too large"))
    }

    /// Bytes with their length before them, at most so many.
    pub(crate) fn bytes(&mut self, most: usize) -> Result<&'a [u8], Malformed> {
        match self.varint()? {
            count if count <= most as u64 => self.take(count as usize),
            _ => Err(Malformed("something is too long")),
        }
    }

    /// A text with its length before it, at most so many bytes.
    pub(crate) fn text(&mut self, most: usize) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes(most)?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// A number of things, then the things, each of at least `least` bytes.
    pub(crate) fn list<T>(
        &mut self,
        least: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.varint()?;
        if count > (self.left() / least) as u64 {
            return Err(Malformed("more things than bytes for them"));
        }
        let mut list = Vec::with_capacity(count as usize);
        for _ in 0..count {
            list.push(one(self)?);
        }
        Ok(list)
    }

    /// All that is left, without a copy.
    pub(crate) fn payload(&mut self) -> Bytes {
        self.source.slice_ref(std::mem::take(&mut self.rest))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed("it goes on after its end")) }
    }
}
