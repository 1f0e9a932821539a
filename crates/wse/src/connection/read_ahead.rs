//! Bytes that were read and not decoded: before the task began, or while the inbox was full. It owns
//! nothing while there are none, as most often.

#[derive(Default)]
pub(crate) struct ReadAhead(Option<Box<Undecoded>>);

struct Undecoded {
    bytes: Vec<u8>,
    /// How many of them were decoded since.
    decoded: usize,
}

impl ReadAhead {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The bytes, to be decoded where they are.
    pub(super) fn rest(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Some(undecoded) => &mut undecoded.bytes[undecoded.decoded..],
            None => &mut [],
        }
    }

    /// Keeps only the last bytes, so many.
    pub(super) fn keep_last(&mut self, bytes: usize) {
        match &mut self.0 {
            Some(undecoded) if bytes > 0 => undecoded.decoded = undecoded.bytes.len() - bytes,
            _ => self.0 = None,
        }
    }
}

impl From<Vec<u8>> for ReadAhead {
    fn from(bytes: Vec<u8>) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(Undecoded { bytes, decoded: 0 })))
    }
}
