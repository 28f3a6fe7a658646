//! The digest of a run's output. It grows with the output and can be put down at any byte, in the database or in a page, to be taken
//! up by somebody else who goes on from there.

use sha2::{Digest, Sha256, digest::common::hazmat::SerializableState};
use std::fmt::Write;

/// SHA-256 over the output so far.
#[derive(Clone, Debug, Default)]
pub struct OutputDigest(Sha256);

impl OutputDigest {
    /// Goes on over these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far: `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn finish(&self) -> String {
        hex("sha256:", &self.0.clone().finalize())
    }

    /// What [`OutputDigest::take_up`] goes on from, in hexadecimal digits.
    #[must_use]
    pub fn put_down(&self) -> String {
        hex("", &self.0.serialize())
    }

    /// Goes on where somebody put it down; none where the text is not what they wrote.
    #[must_use]
    pub fn take_up(text: &str) -> Option<Self> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect();
        Some(OutputDigest(Sha256::deserialize(bytes?.as_slice().try_into().ok()?).ok()?))
    }
}

fn hex(begin: &str, bytes: &[u8]) -> String {
    bytes.iter().fold(begin.to_owned(), |mut text, byte| {
        // A String takes whatever is written.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_the_known_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(OutputDigest::default().finish(), empty);
        let mut digest = OutputDigest::default();
        digest.update(b"abc");
        assert_eq!(digest.finish(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn what_nobody_put_down_is_not_taken_up() {
        let whole = OutputDigest::default().put_down();
        for text in ["", "zz", "é", "0", &whole[2..], &format!("{whole}00"), &format!("+{}", &whole[1..]), &"ff".repeat(whole.len() / 2)] {
            assert!(OutputDigest::take_up(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn put_down_anywhere_and_taken_up_it_is_the_same(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..8)) {
            let (mut whole, mut passed_on) = (OutputDigest::default(), OutputDigest::default());
            for part in parts {
                whole.update(&part);
                passed_on = OutputDigest::take_up(&passed_on.put_down()).expect("what was put down");
                passed_on.update(&part);
            }
            prop_assert_eq!(whole.finish(), passed_on.finish());
        }
    }
}
