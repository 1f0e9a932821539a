//! Numbers, texts and lists as bytes, for what servers of a cluster send one another. What is read is as foreign
//! as what a stranger has sent: a length is compared with what is there before anything is taken for it.

use bytes::Bytes;
use std::time::Duration;

/// Appends to bytes.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number, 7 bits a byte, the lowest first; a set highest bit says that more follow.
    pub(crate) fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// 64 bits whose size says nothing, such as those of an id.
    pub(crate) fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_be_bytes());
    }

    /// Bytes whose length both sides know.
    pub(crate) fn plain(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes behind their length.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// What is left of a time, in milliseconds and rounded up; 0 where there is none.
    pub(crate) fn left(&mut self, left: Option<Duration>) {
        let millis = |left: Duration| u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX - 1);
        self.number(left.map_or(0, |left| millis(left).saturating_add(1)));
    }

    /// A list behind its length.
    pub(crate) fn list<T>(&mut self, list: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.number(list.len() as u64);
        list.for_each(|item| write(self, item));
    }

    pub(crate) fn end(self) -> Bytes {
        self.0.into()
    }
}

/// Reads bytes from the front. Everything is `None` that is not there or not as it has to be.
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Reader(bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.plain(1).map(|byte| byte[0])
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.byte().filter(|byte| *byte <= 1).map(|byte| byte == 1)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None; // more than 64 bits
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn word(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.plain(N)?.as_ref().try_into().ok()
    }

    /// The next so many bytes, of the same memory.
    pub(crate) fn plain(&mut self, count: usize) -> Option<Bytes> {
        (count <= self.0.len()).then(|| self.0.split_to(count))
    }

    pub(crate) fn bytes(&mut self) -> Option<Bytes> {
        let count = usize::try_from(self.number()?).ok()?;
        self.plain(count)
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        let bytes = self.bytes()?;
        std::str::from_utf8(&bytes).ok().map(str::to_owned)
    }

    pub(crate) fn left(&mut self) -> Option<Option<Duration>> {
        Some(self.number()?.checked_sub(1).map(Duration::from_millis))
    }

    /// A list of which every item takes at least a byte. Room is taken for no more items than there are bytes, and
    /// for no more than `most`.
    pub(crate) fn list<T>(&mut self, most: usize, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= most.min(self.0.len()))?;
        (0..count).map(|_| read(self)).collect()
    }

    /// Whether everything was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_read_is_what_was_written() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let times = [None, Some(Duration::ZERO), Some(MS), Some(Duration::from_secs(86_400 * 365))];
        let mut writer = Writer::default();
        numbers.iter().for_each(|number| writer.number(*number));
        times.iter().for_each(|left| writer.left(*left));
        writer.word(7);
        writer.bytes("grüße".as_bytes());
        writer.list([3u8, 4].into_iter(), Writer::byte);
        let mut reader = Reader::new(writer.end());
        assert!(numbers.iter().all(|number| reader.number() == Some(*number)));
        assert!(times.iter().all(|left| reader.left() == Some(*left)));
        assert_eq!((reader.word(), reader.text().as_deref()), (Some(7), Some("grüße")));
        assert_eq!((reader.list(2, Reader::byte), reader.is_empty()), (Some(vec![3, 4]), true));
        let rounded = |left| {
            let mut writer = Writer::default();
            writer.left(Some(left));
            Reader::new(writer.end()).left()
        };
        assert_eq!(rounded(MS / 2), Some(Some(MS)), "what is left is not nothing");
        assert!(rounded(Duration::MAX).flatten() > Some(Duration::from_secs(1 << 40)), "and never over by being long");
    }

    #[test]
    fn what_is_not_there_is_not_read_and_takes_no_memory() {
        let read = |bytes: &'static [u8]| Reader::new(Bytes::from_static(bytes));
        assert_eq!(read(&[]).number(), None);
        assert_eq!(read(&[0x80]).number(), None, "cut short");
        assert_eq!(read(&[0xff; 11]).number(), None, "without an end");
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(), None, "65 bits");
        assert_eq!(read(&[2, b'a']).bytes(), None);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]).bytes(), None, "4 GiB are announced");
        assert_eq!(read(&[1, 0xff]).text(), None, "no UTF-8");
        assert_eq!(read(&[2]).flag(), None);
        assert_eq!(read(&[3, 1, 1]).list(9, Reader::byte), None, "more items than bytes");
        assert_eq!(read(&[2, 1, 1]).list(1, Reader::byte), None, "more than are allowed");
        assert_eq!(read(&[1, 2, 3]).word(), None);
    }
}
