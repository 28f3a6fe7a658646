//! What holds for any bytes: that cuts do not matter, that nothing panics, and that the outcome is what the standard's own words give,
//! written down here without any thought of chunks or of a bound.

use super::{
    MAX_EVENT_BYTES,
    tests::{Said, read},
};
use proptest::{collection::vec, prelude::*, sample::Index};

/// The standard's algorithm, step by step, over a whole stream.
fn standard(stream: &[u8]) -> (Vec<Said>, String) {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut said, mut last_event_id) = (Vec::new(), String::new());
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());
    // What follows the last line's end is no line.
    let lines = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
    for line in lines.split('\n').take(if text.contains('\n') { usize::MAX } else { 0 }) {
        if line.is_empty() {
            last_event_id.clone_from(&id);
            if !data.is_empty() {
                data.pop();
                let name = if event_type.is_empty() { "message" } else { &event_type };
                said.push(Said::Event { name: name.to_owned(), data: data.clone(), id: last_event_id.clone() });
            }
            data.clear();
            event_type.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event_type),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                said.push(Said::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    (said, last_event_id)
}

/// Streams in which rules meet: what means something, in any order.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"data",
        b"event",
        b"id",
        b"retry",
        b"data:",
        b"data: ",
        b"event: ",
        b"id: ",
        b"retry: ",
        b":",
        b" ",
        b"\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"\r\n\r\n",
        b"a",
        b"17",
        b"\0",
        b"\xEF\xBB\xBF",
        b"\xEF",
        b"\xBB",
        b"\xE2\x82",
        b"\xF0\x9F\x9A\xA8",
        b"\xFF",
    ];
    let piece = prop_oneof![12 => proptest::sample::select(pieces).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..4)];
    prop_oneof![4 => vec(piece, 0..60).prop_map(|pieces| pieces.concat()), 1 => vec(any::<u8>(), 0..200)]
}

fn cut<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &stream[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_say_what_the_standard_s_words_say(stream in stream()) {
        prop_assert_eq!(read(MAX_EVENT_BYTES, [stream.as_slice()]), standard(&stream));
    }

    #[test]
    fn cuts_do_not_matter(stream in stream(), cuts in vec(any::<Index>(), 0..8), bound in prop_oneof![Just(MAX_EVENT_BYTES), 0..24usize]) {
        let whole = read(bound, [stream.as_slice()]);
        prop_assert_eq!(&read(bound, cut(&stream, &cuts)), &whole);
        prop_assert_eq!(&read(bound, stream.chunks(1)), &whole);
    }
}
