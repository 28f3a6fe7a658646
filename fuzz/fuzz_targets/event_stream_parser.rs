//! Any bytes, cut anywhere, under any bound: the reader of event streams neither panics nor says anything else than of the whole. It is
//! taken from its file and not from the crate, which would bring the server along.

#![no_main]

#[path = "../../src/domain/event_stream_parser.rs"]
#[allow(dead_code)]
mod event_stream_parser;

use event_stream_parser::{Event, EventStreamParser, MAX_EVENT_BYTES, Parsed};
use libfuzzer_sys::fuzz_target;

type Said = (u8, String, String, String);

fn kept(parsed: Parsed<'_>) -> Said {
    match parsed {
        Parsed::Event(Event { name, data, last_event_id }) => (0, name.into(), data.into(), last_event_id.into()),
        Parsed::Retry(ms) => (1, ms.to_string(), String::new(), String::new()),
        Parsed::TooLong { name, last_event_id } => (2, name.into(), String::new(), last_event_id.into()),
    }
}

fn read<'a>(bound: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Said>, String) {
    let (mut parser, mut said) = (EventStreamParser::new(bound), Vec::new());
    for chunk in chunks {
        parser.feed(chunk, &mut |parsed| said.push(kept(parsed)));
    }
    (said, parser.last_event_id().to_owned())
}

// The first byte is the bound, or from 64 on the default one; the second is the length of the chunks; the rest is the stream.
fuzz_target!(|input: &[u8]| {
    let [bound, size, stream @ ..] = input else { return };
    let bound = if *bound < 64 { usize::from(*bound) } else { MAX_EVENT_BYTES };
    let whole = read(bound, [stream]);
    assert_eq!(read(bound, stream.chunks(usize::from(*size).max(1))), whole);
    assert_eq!(read(bound, stream.chunks(1)), whole);
});
