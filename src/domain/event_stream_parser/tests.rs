//! One vector for each rule of the standard, and for the bound. Each is read at once, cut in two at every byte, and byte by byte.

use super::{Event, EventStreamParser, MAX_EVENT_BYTES, Parsed};

/// [`Parsed`], kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Event { name: String, data: String, id: String },
    Retry(u64),
    TooLong { name: String, id: String },
}

impl Said {
    pub(super) fn of(parsed: Parsed<'_>) -> Self {
        match parsed {
            Parsed::Event(Event { name, data, last_event_id }) => {
                Said::Event { name: name.to_owned(), data: data.to_owned(), id: last_event_id.to_owned() }
            }
            Parsed::Retry(ms) => Said::Retry(ms),
            Parsed::TooLong { name, last_event_id } => Said::TooLong { name: name.to_owned(), id: last_event_id.to_owned() },
        }
    }
}

/// What the chunks say, and the id to resume after.
pub(super) fn read<'a>(max_event_bytes: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, String) {
    let (mut parser, mut said) = (EventStreamParser::new(max_event_bytes), Vec::new());
    for chunk in chunks {
        parser.feed(chunk, &mut |parsed| said.push(Said::of(parsed)));
    }
    (said, parser.last_event_id().to_owned())
}

fn event(name: &str, data: &str, id: &str) -> Said {
    Said::Event { name: name.to_owned(), data: data.to_owned(), id: id.to_owned() }
}

fn message(data: &str) -> Said {
    event("message", data, "")
}

#[track_caller]
fn assert_says_within(max_event_bytes: usize, stream: &[u8], said: &[Said], last_event_id: &str) {
    let expected = (said.to_vec(), last_event_id.to_owned());
    let shown = String::from_utf8_lossy(stream);
    assert_eq!(read(max_event_bytes, [stream]), expected, "{shown:?}");
    assert_eq!(read(max_event_bytes, stream.chunks(1)), expected, "{shown:?} byte by byte");
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(read(max_event_bytes, [head, &[], tail]), expected, "{shown:?} cut at {at}");
    }
}

#[track_caller]
fn assert_says(stream: impl AsRef<[u8]>, said: &[Said], last_event_id: &str) {
    assert_says_within(MAX_EVENT_BYTES, stream.as_ref(), said, last_event_id);
}

#[test]
fn the_examples_of_the_standard() {
    let stocks = "data: YHOO\ndata: +2\ndata: 10\n\n";
    assert_says(stocks, &[message("YHOO\n+2\n10")], "");
    let four_blocks = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    let events = [event("message", "first event", "1"), message("second event"), message(" third event")];
    assert_says(four_blocks, &events, "");
    assert_says("data\n\ndata\ndata\n\ndata:", &[message(""), message("\n")], "");
    assert_says("data:test\n\ndata: test\n\n", &[message("test"), message("test")], "");
    let typed = "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n";
    assert_says(typed, &[event("add", "73857293", ""), event("remove", "2153", "")], "");
}

#[test]
fn one_byte_order_mark_at_the_beginning_is_passed_over() {
    assert_says(b"\xEF\xBB\xBFdata: a\n\n", &[message("a")], "");
    assert_says(b"\xEF\xBB\xBF", &[], "");
    // A second one, a part of one or one further on is text, here of a field that means nothing.
    assert_says(b"\xEF\xBB\xBF\xEF\xBB\xBFdata: a\n\ndata: b\n\n", &[message("b")], "");
    assert_says(b"\xEF\xBBdata: a\n\ndata: b\n\n", &[message("b")], "");
    assert_says(b"\xEFdata: a\n\ndata: b\n\n", &[message("b")], "");
    assert_says(b"\n\xEF\xBB\xBFdata: a\n\ndata: \xEF\xBB\xBFb\n\n", &[message("\u{feff}b")], "");
}

#[test]
fn a_line_ends_with_cr_or_lf_or_both() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = format!("data: a{end}data: b{end}{end}data: c{end}{end}");
        assert_says(stream, &[message("a\nb"), message("c")], "");
    }
    assert_says("data: a\r\n\ndata: b\n\rdata: c\r\r", &[message("a"), message("b"), message("c")], "");
    // LF after CR belongs to it, CR after LF does not.
    assert_says("data: a\r\ndata: b\n\r\ndata: c\n\n", &[message("a\nb"), message("c")], "");
    assert_says("data: a\r\n\r", &[message("a")], "");
    // Nothing else ends a line.
    assert_says("data: a\u{b}b\u{c}c\u{85}d\u{2028}e\0f\n\n", &[message("a\u{b}b\u{c}c\u{85}d\u{2028}e\0f")], "");
}

#[test]
fn what_is_no_utf_8_becomes_replacement_characters() {
    assert_says("data: zażółć 🚨\nid: ź\nevent: ż\n\n", &[event("ż", "zażółć 🚨", "ź")], "ź");
    assert_says(b"data: \xff|\xc3\x28|\xe2\x82|\xed\xa0\x80|\xc0\xaf\n\n", &[message("�|�(|�|���|��")], "");
    // A sequence that is cut short swallows neither the line's end nor what follows it.
    assert_says(b"data: \xf0\x9f\x9a\ndata: \xe2\x82\r\nevent: \xc3\n\n", &[event("�", "�\n�", "")], "");
    assert_says(b"\xffdata: a\ndata\xff: b\nid\xff: c\n\ndata: d\n\n", &[message("d")], "");
}

#[test]
fn a_comment_says_nothing() {
    assert_says(":\n: data: a\n:data: b\n\n::\n\n", &[], "");
    assert_says("data: a\n: in between\ndata: b\n\n", &[message("a\nb")], "");
}

#[test]
fn a_field_without_a_colon_has_no_value_and_one_space_after_it_is_none_of_it() {
    assert_says("data\ndata:\ndata: \ndata:  \ndata:\ta \n\n", &[message("\n\n\n \n\ta ")], "");
    assert_says("event: a\nevent\ndata: b\n\n", &[message("b")], "");
    assert_says("data: a:b: c\nid: 1:2\nevent::\n\n", &[event(":", "a:b: c", "1:2")], "1:2");
}

#[test]
fn unknown_fields_are_passed_over() {
    let stream = "Data: a\nDATA: a\n data: a\ndata : a\ndat: a\ndataa: a\ndatas\nevents: a\nretry1: 1\nmeaningless\n\ndata: b\n\n";
    assert_says(stream, &[message("b")], "");
}

#[test]
fn a_block_without_data_dispatches_nothing_and_forgets_its_type() {
    assert_says("event: a\n\ndata: b\n\n", &[message("b")], "");
    assert_says("\n\n\ndata: a\n\n\n\n", &[message("a")], "");
}

#[test]
fn an_empty_line_of_data_is_data() {
    assert_says("data\n\n", &[message("")], "");
    assert_says("event: a\ndata:\n\n", &[event("a", "", "")], "");
}

#[test]
fn the_last_of_several_types_counts_and_none_is_message() {
    assert_says("event: a\nevent: b\ndata: c\n\ndata: d\n\n", &[event("b", "c", ""), message("d")], "");
    assert_says("event:\ndata: a\n\nevent: message\ndata: b\n\n", &[message("a"), message("b")], "");
}

#[test]
fn an_id_stays_until_another_is_named() {
    assert_says(
        "id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\n",
        &[event("message", "a", "1"), event("message", "b", "1"), event("message", "c", "2")],
        "2",
    );
    assert_says("data: a\nid: 1\nid: 2\n\n", &[event("message", "a", "2")], "2");
    assert_says("id: 1\ndata: a\n\nid\ndata: b\n\n", &[event("message", "a", "1"), message("b")], "");
}

#[test]
fn a_block_with_an_id_alone_moves_the_last_id() {
    assert_says("id: 1\n\n", &[], "1");
    assert_says("id: 1\nevent: a\n\n", &[], "1");
    // It counts from the block's end.
    assert_says("id: 1\n\nid: 2\n", &[], "1");
}

#[test]
fn an_id_with_nul_is_none() {
    assert_says("id: 1\nid: 2\0\ndata: a\n\nid: \0\ndata: b\n\n", &[event("message", "a", "1"), event("message", "b", "1")], "1");
}

#[test]
fn a_retry_is_digits_only_and_counts_at_once() {
    assert_says("retry: 1500\n", &[Said::Retry(1500)], "");
    assert_says("retry:0\nretry: 007\ndata: a\n\n", &[Said::Retry(0), Said::Retry(7), message("a")], "");
    assert_says("retry: 99999999999999999999999\n", &[Said::Retry(u64::MAX)], "");
    for no_number in ["", "-1", "+1", "1.5", "1e3", " 1", "1 ", "0x10", "١", "1\0", "soon"] {
        assert_says(format!("retry: {no_number}\n\n"), &[], "");
    }
    assert_says("retry\nretry:\n\n", &[], "");
    assert_says("retry: 5", &[], "");
}

#[test]
fn a_block_that_is_not_ended_is_dropped() {
    assert_says("data: a\n\ndata: b", &[message("a")], "");
    assert_says("data: a\n\nid: 2\ndata: b\n", &[message("a")], "");
    assert_says("", &[], "");
}

#[test]
fn an_event_that_is_too_long_is_an_error_and_the_stream_goes_on() {
    let too_long = |name: &str, id: &str| Said::TooLong { name: name.to_owned(), id: id.to_owned() };
    let says = |stream: &str, said: &[Said], id: &str| assert_says_within(8, stream.as_bytes(), said, id);
    // " 12345" and the line's end are seven bytes.
    says("data: 12345\n\n", &[message("12345")], "");
    says("data:12345678\n\ndata: a\n\n", &[too_long("message", ""), message("a")], "");
    says("data:1234567\n\ndata: a\n\n", &[message("1234567"), message("a")], "");
    says("data:123\ndata:456\n\ndata:a\n\n", &[message("123\n456"), message("a")], "");
    says("data:123\ndata:4567\n\n", &[too_long("message", "")], "");
    // A line without a value has its end, too: many of them are as long as one.
    says(&"data\n".repeat(8), &[], "");
    says(&"data\n".repeat(9), &[too_long("message", "")], "");
    // What was named before is said, what comes after is not read, and said is it once.
    says(
        "id:7\nevent:a\ndata: 12345\nid:8\nretry:5\ndata: 123456789\n\ndata:b\n\n",
        &[too_long("a", "7"), event("message", "b", "7")],
        "7",
    );
    says("event: 123456789\ndata:b\n\n", &[too_long("message", "")], "");
    says("id: 123456789\n\n", &[too_long("message", "")], "");
    says("retry: 123456789\n\n", &[too_long("message", "")], "");
    // It need not end.
    says("data: 123456789", &[too_long("message", "")], "");
    // What is not kept may be of any length.
    says(": a comment\nunknown: 123456789\nunknown without a value\ndata: a\n\n", &[message("a")], "");
}

#[test]
fn what_is_held_stays_bounded() {
    let bound = 1024;
    // Most of these never end their line.
    let lines =
        [&b"data: 0123"[..], b": 0123", b"unknown: 0123", b"unknown", b"data: \xff\xff\xff", b"data: a\n", b"event: \xff\n", b"id: 1\n"];
    for line in lines {
        let mut parser = EventStreamParser::new(bound);
        for _ in 0..10_000 {
            parser.feed(line, &mut |_| {});
            let id = parser.id.as_ref().map_or(0, String::capacity) + parser.last_event_id.capacity();
            let held = parser.bytes.capacity() + parser.data.capacity() + parser.event_type.capacity() + id;
            assert!(held <= 12 * bound, "{held} bytes of {:?}", String::from_utf8_lossy(line));
        }
    }
}
