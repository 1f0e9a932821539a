//! Masking: the key laid over a payload, and taken off by laying it again. May never draw a key.

/// The four bytes a client lays over a frame's payload, RFC 6455 section 5.3.
pub(crate) type Key = [u8; 4];

/// Takes the key off a payload, if one was laid over it; says whether the result is known to be ASCII.
#[inline]
pub(crate) fn remove(key: Option<Key>, bytes: &mut [u8]) -> bool {
    match key {
        Some(key) => apply(key, bytes),
        None => false,
    }
}

/// Lays `key` over `bytes`, of which the first meets the key's first byte; says whether the result is ASCII.
///
/// Eight bytes at a time, in a loop that the compiler makes into vector instructions. The answer comes along for
/// nothing, and saves a text a second look.
#[inline]
pub(crate) fn apply(key: Key, bytes: &mut [u8]) -> bool {
    let [a, b, c, d] = key;
    let twice = [a, b, c, d, a, b, c, d];
    let wide = u64::from_ne_bytes(twice);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    let mut seen = 0;
    for word in words {
        let laid = u64::from_ne_bytes(*word) ^ wide;
        seen |= laid;
        *word = laid.to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(twice) {
        *byte ^= key;
        seen |= u64::from(*byte);
    }
    seen & 0x8080_8080_8080_8080 == 0
}

/// The key for the bytes that follow, after `passed` bytes have been met.
pub(crate) fn turned(mut key: Key, passed: usize) -> Key {
    key.rotate_left(passed % 4);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc_unmasks_to_hello() {
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert!(apply([0x37, 0xfa, 0x21, 0x3d], &mut bytes));
        assert_eq!(&bytes, b"Hello");
    }

    proptest! {
        #[test]
        fn wide_masking_equals_masking_byte_by_byte_in_any_pieces(
            key: Key,
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 0usize..200,
        ) {
            let expected: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let cut = cut.min(bytes.len());
            let mut masked = bytes;
            let (front, back) = masked.split_at_mut(cut);
            let ascii = apply(key, front) & apply(turned(key, cut), back);
            prop_assert_eq!(ascii, expected.is_ascii());
            prop_assert_eq!(masked, expected);
        }

        #[test]
        fn masking_is_its_own_inverse_at_any_offset(
            key: Key,
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            passed: usize,
        ) {
            let mut twice = bytes.clone();
            apply(turned(key, passed), &mut twice);
            apply(turned(key, passed), &mut twice);
            prop_assert_eq!(twice, bytes);
        }
    }
}
