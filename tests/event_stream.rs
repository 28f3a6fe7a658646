//! Our reader of event streams beside the npm package `eventsource-parser`, on generated streams in generated chunks. Where the package
//! leaves the standard, the differences are named here, and either generated around or tested on their own.

use kontasks::domain::event_stream_parser::{Event, EventStreamParser, Parsed};
use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

const STREAMS: usize = 3_000;

type Chunks = Vec<Vec<u8>>;

/// What the package says of each stream. Node and the package are there after `scripts/setup.sh build`.
fn reference(streams: &[Chunks]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node")
        .arg(root.join("tests/fixtures/event_stream/reference.mjs"))
        .arg(root.join("end2end/package.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node on PATH");
    let input = serde_json::to_vec(streams).expect("JSON");
    // It reads all before it writes, so neither waits for the other.
    node.stdin.take().expect("piped").write_all(&input).expect("node reads");
    let output = node.wait_with_output().expect("node's answer");
    assert!(output.status.success(), "node and its packages: run scripts/setup.sh build");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What we say, in the same words.
fn ours(chunks: &Chunks) -> Vec<Value> {
    let (mut parser, mut said) = (EventStreamParser::default(), Vec::new());
    for chunk in chunks {
        parser.feed(chunk, &mut |parsed| {
            said.push(match parsed {
                Parsed::Event(Event { name, data, last_event_id }) => json!({ "event": name, "data": data, "id": last_event_id }),
                Parsed::Retry(retry) => json!({ "retry": retry }),
                Parsed::TooLong { .. } => json!("too long"),
            });
        });
    }
    said
}

/// The package gives an event the id of its own block; the standard gives it the last one that was named. `carried` fills that in,
/// which is right where no block has an id but no data: the package forgets such an id.
fn carried(said: &Value) -> Vec<Value> {
    let mut last = json!("");
    let mut said = said.as_array().expect("a list").clone();
    for one in said.iter_mut().filter(|one| one.get("id").is_some()) {
        if one["id"].is_null() {
            one["id"].clone_from(&last);
        }
        last.clone_from(&one["id"]);
    }
    said
}

/// What we say without what the package cannot say: the ids that an event has from an earlier block.
fn without_carried_ids(mut ours: Vec<Value>, reference: &Value) -> Vec<Value> {
    for (one, other) in ours.iter_mut().zip(reference.as_array().expect("a list")) {
        if one.get("id").is_some() && other["id"].is_null() {
            one["id"] = Value::Null;
        }
    }
    ours
}

fn text() -> impl Strategy<Value = String> {
    let pieces = vec!["a", "b c", " ", ":", "17", "ż", "🚨", "\u{feff}", "\u{85}", "\u{2028}", "\t", "data", "ids"];
    vec(proptest::sample::select(pieces), 0..4).prop_map(|pieces| pieces.concat())
}

fn end() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["\n", "\r", "\r\n"])
}

/// A line with its end, `id` apart. A number that JavaScript cannot hold exactly is not drawn for `retry`: the package rounds it.
fn line() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec!["data", "data", "data", "event", "retry", "", "Data", " data", "events", "unknown", "ź"]);
    let line = prop_oneof![
        6 => (name.clone(), proptest::sample::select(vec![":", ": ", ":  "]), text()).prop_map(|(name, colon, text)| format!("{name}{colon}{text}")),
        1 => name.prop_map(str::to_owned),
        1 => (0..1_000_000_000u64).prop_map(|ms| format!("retry: {ms}")),
        1 => text(),
    ];
    (line, end()).prop_map(|(line, end)| line + end)
}

/// Blocks whose ids stand beside data.
fn tidy_ids() -> impl Strategy<Value = Vec<u8>> {
    let id = (text(), text(), end()).prop_map(|(id, data, end)| format!("id: {id}{end}data: {data}{end}"));
    let block = (vec(line(), 0..5), proptest::option::of(id), vec(line(), 0..3), end());
    let block = block.prop_map(|(before, id, after, end)| format!("{}{}{}{end}", before.concat(), id.unwrap_or_default(), after.concat()));
    (proptest::bool::weighted(0.2), vec(block, 0..6)).prop_map(|(mark, blocks)| {
        let text = blocks.concat();
        if mark { format!("\u{feff}{text}").into_bytes() } else { text.into_bytes() }
    })
}

/// Lines in any order, with bytes in between that are no UTF-8.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let odd = proptest::sample::select(vec![
        &b"\xff"[..],
        b"\xe2\x82",
        b"\xf0\x9f\x9a",
        b"\0",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r",
        b"id: 1\0\n",
        b"id\n",
    ]);
    let id = (text(), end()).prop_map(|(id, end)| format!("id:{id}{end}").into_bytes());
    let piece = prop_oneof![5 => line().prop_map(String::into_bytes), 2 => id, 3 => odd.prop_map(<[u8]>::to_vec)];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn cut(stream: &[u8], cuts: &[proptest::sample::Index]) -> Chunks {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| stream[ends[0]..ends[1]].to_vec()).collect()
}

/// The same streams each time, so that a difference can be looked at.
fn generate(streams: impl Strategy<Value = Vec<u8>>) -> Vec<Chunks> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = (streams, vec(any::<proptest::sample::Index>(), 0..8)).prop_map(|(stream, cuts)| cut(&stream, &cuts));
    (0..STREAMS).map(|_| cases.new_tree(&mut runner).expect("a stream").current()).collect()
}

fn shown(chunks: &Chunks) -> String {
    chunks.iter().map(|chunk| format!("{:?}", String::from_utf8_lossy(chunk))).collect::<Vec<_>>().join(" ")
}

#[test]
fn both_say_the_same_of_generated_streams() {
    let streams = generate(tidy_ids());
    let said = reference(&streams);
    assert_eq!(said.len(), STREAMS);
    let events: usize = said.iter().map(|said| said.as_array().map_or(0, Vec::len)).sum();
    assert!(events > STREAMS, "only {events} events");
    for (chunks, said) in streams.iter().zip(&said) {
        assert_eq!(ours(chunks), carried(said), "{}", shown(chunks));
    }
}

#[test]
fn both_say_the_same_of_wild_streams_but_for_carried_ids() {
    let streams = generate(wild());
    for (chunks, said) in streams.iter().zip(&reference(&streams)) {
        let ours = without_carried_ids(ours(chunks), said);
        assert_eq!(&Value::Array(ours), said, "{}", shown(chunks));
    }
}

/// Each difference as it is: one that is gone from a newer version of the package is noticed here.
#[test]
fn where_the_package_leaves_the_standard() {
    let message = |data: &str, id: Value| json!([{ "event": "message", "data": data, "id": id }]);
    for (why, stream, standard, package) in [
        ("an id alone moves the last id", "id: 1\n\ndata: a\n\n", message("a", json!("1")), message("a", Value::Null)),
        ("the text of a byte order mark that was misread is no mark", "ï»¿data: a\n\n", json!([]), message("a", Value::Null)),
        (
            "a number stays exact",
            "retry: 9007199254740993\n",
            json!([{ "retry": 9_007_199_254_740_993u64 }]),
            json!([{ "retry": 9_007_199_254_740_992u64 }]),
        ),
    ] {
        let chunks = vec![stream.as_bytes().to_vec()];
        assert_eq!((Value::Array(ours(&chunks)), &reference(&[chunks])[0]), (standard, &package), "{why}");
    }
}
