//! Where a stream of bytes may be cut so that no character is torn. Reading the parts as UTF-8, with U+FFFD for what is not UTF-8,
//! then gives the same text as reading the whole.

/// How many of the bytes end with a whole character: all of them, or all but the beginning of a character whose other bytes have
/// yet to come (at most three). Bytes that can no longer become a character count as whole.
#[must_use]
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    // A byte that begins a character of several bytes never continues one, so that whatever stands before it, reading begins anew there.
    let last_begin = bytes[tail..].iter().rposition(|byte| *byte >= 0xC0).map(|at| tail + at);
    match last_begin.map(|at| (at, std::str::from_utf8(&bytes[at..]))) {
        Some((at, Err(error))) if error.valid_up_to() == 0 && error.error_len().is_none() => at,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_an_unfinished_character_is_held_back() {
        for (bytes, whole) in [
            (&b""[..], 0),
            (b"abc", 3),
            ("ä".as_bytes(), 2),
            (b"a\xC3", 1),
            (b"a\xE2\x82", 1),
            (b"\xF0\x9F\x98", 0),
            ("😀".as_bytes(), 4),
            (b"\xFF", 1),
            (b"\xC0", 1),
            (b"\xE0\x80", 2),
            (b"\xED\xA0", 2),
            (b"\xF5\x80", 2),
            (b"\x80\x80\x80", 3),
            (b"\xF0\x9F\xC3", 2),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:x?}");
        }
    }

    /// Bytes among which characters of all lengths, torn ones and impossible ones are frequent.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            any::<char>().prop_map(|c| c.to_string().into_bytes()[..1].to_vec()),
            prop::collection::vec(0x80u8.., 1..4),
            Just(b"\xE2\x82".to_vec()),
        ];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn parts_read_as_the_whole(bytes in output(), arrivals in prop::collection::vec(1usize..9, 1..40)) {
            let (mut text, mut position, mut arrived) = (String::new(), 0, 0);
            for arrival in arrivals.into_iter().chain([usize::MAX]) {
                arrived = bytes.len().min(arrival.saturating_add(arrived));
                let waiting = &bytes[position..arrived];
                let taken = if arrived == bytes.len() { waiting } else { &waiting[..whole_characters(waiting)] };
                prop_assert!(waiting.len() - taken.len() <= 3);
                text.push_str(&String::from_utf8_lossy(taken));
                position += taken.len();
            }
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
