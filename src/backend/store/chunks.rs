//! Cutting a run's output into events: small enough to be sent one by one, and only between characters, so that the text of the
//! parts is the text of the whole.

use bytes::Bytes;

/// The most bytes that one output event carries.
pub const MAX_CHUNK: usize = 64 * 1024;

/// The last place at or before `most` where `bytes` can be cut. A cut lies never within a character, and never between the bytes of a
/// broken one that a decoder replaces together.
fn cut(bytes: &[u8], most: usize) -> usize {
    if bytes.len() <= most {
        return bytes.len();
    }
    for back in 1..=3.min(most) {
        let place = most - back;
        let needs = match bytes[place] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        // The first byte of a character always starts anew in a decoder, whatever stood before it.
        return if needs > back && place > 0 { place } else { most };
    }
    most
}

/// The parts of `bytes`, each of at most [`MAX_CHUNK`] bytes and none empty; no bytes are copied.
pub(super) fn chunks(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || (!bytes.is_empty()).then(|| bytes.split_to(cut(&bytes, MAX_CHUNK))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(bytes: &[u8], most: usize) -> Vec<&[u8]> {
        let mut rest = bytes;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(cut(rest, most));
            parts.push(part);
            rest = after;
        }
        parts
    }

    proptest! {
        #[test]
        fn the_text_of_the_parts_is_the_text_of_the_whole(
            bytes in prop_oneof![
                ".*".prop_map(String::into_bytes),
                prop::collection::vec(prop_oneof![Just(0xe2u8), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f), Just(0x98), Just(0xff), Just(b'a')], 0..64),
                prop::collection::vec(any::<u8>(), 0..64),
            ],
            most in 4usize..9,
        ) {
            let parts = parts(&bytes, most);
            prop_assert_eq!(parts.concat(), bytes.clone());
            prop_assert!(parts.iter().all(|part| (1..=most).contains(&part.len())));
            let text: String = parts.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
