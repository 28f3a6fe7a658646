//! What holds for every type that is read member by member: it reads what it writes, and what it cannot read it names.

use super::*;
use crate::domain::{
    cursor::{Cursor, Epoch},
    event::{End, ForceLogout, Hello, Output, Ping, Reset, Shutdown, Size, StreamEvent, TaskEvent},
    id::{RunId, TaskId},
    run::{Run, RunStatus},
    snapshot::{BoardSnapshot, ConsoleSnapshot, DashboardSnapshot, RunTail, TaskSnapshot},
    task::{Answer, Choice, Task, TaskContext},
    terminal_size::PlacedSize,
    timestamp::Timestamp,
};
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{from_value, json, to_value};
use std::fmt::Debug;

const ID: &str = "019d0c5e-7b1c-7c7e-9d53-0d6f3a1f2b4c";
const AT: &str = "2026-01-02T09:13:58.259Z";

/// Checks a type by one value of it, as JSON has it: it is written as it was read; exactly the members in `needed` must be there;
/// and a member of a wrong type is an error that names it, or a member within it.
pub(crate) fn check<T: Read + Serialize + PartialEq + Debug>(written: Value, needed: &[&str]) {
    let read = T::read(written.clone()).expect("reads");
    assert_eq!(to_value(&read).expect("JSON"), written);
    let members = written.as_object().cloned().unwrap_or_default();
    for name in members.keys() {
        let mut without = members.clone();
        without.remove(name);
        match T::read(Value::Object(without)) {
            Ok(_) => assert!(!needed.contains(&name.as_str()), "{name} is needed"),
            Err(error) => {
                assert_eq!(error.to_string(), format!("{name} is missing"));
                assert!(needed.contains(&name.as_str()), "{name} is not needed");
            }
        }
        for wrong in [json!(true), json!(-1.5), json!("\u{0}"), json!([[]]), json!({"odd": []})] {
            let mut other = members.clone();
            other.insert(name.clone(), wrong);
            if let Err(error) = T::read(Value::Object(other)) {
                assert!(!error.member.is_empty() && error.to_string().contains("must be") || error.problem == "is missing", "{error}");
            }
        }
    }
    for wrong in [Value::Null, json!(1), json!([]), json!([written])] {
        assert_eq!(T::read(wrong).expect_err("no object").member, "");
    }
}

fn context() -> Value {
    json!({
        "output": "<p>x</p>", "requestedAt": AT, "requestId": "r", "prompt": "p", "mood": {"deep": [1.5, null]},
        "choices": [{"label": "Yes", "value": "yes", "primary": true, "key": "y"}, {"label": "No", "value": "no"}],
    })
}

fn task() -> Value {
    json!({
        "id": ID, "type": "odd", "status": "new", "title": "T", "description": "d", "context": context(), "scope": "s", "tags": ["a", "b"],
        "createdBy": "c", "targetUser": "t", "createdAt": AT, "updatedAt": AT, "answer": answer(), "pinned": true, "extra": null,
    })
}

fn answer() -> Value {
    json!({"value": "yes", "comment": "c", "answeredAt": AT})
}

fn run() -> Value {
    json!({
        "id": ID, "taskId": ID, "requestId": "r", "runner": "shell", "prompt": "p", "status": "failed", "exitCode": -3, "signal": "SIGKILL",
        "reason": "w", "createdAt": AT, "startedAt": AT, "endedAt": null, "events": 1, "bytes": u64::MAX, "lines": 4, "digest": "sha256:00",
        "verified": false, "verifiedBytes": 3, "programDigest": "sha256:01", "damage": {"from": 3, "to": 5},
    })
}

const TASK: [&str; 6] = ["id", "type", "status", "title", "createdAt", "updatedAt"];

#[test]
fn every_type_reads_what_it_writes_and_names_what_it_cannot_read() {
    check::<Task>(task(), &TASK);
    check::<TaskEvent>(task(), &TASK);
    check::<TaskContext>(context(), &[]);
    check::<Choice>(context()["choices"][0].clone(), &["label", "value"]);
    check::<Answer>(answer(), &["value", "answeredAt"]);
    check::<Run>(run(), &["id", "taskId", "requestId", "runner", "prompt", "status", "createdAt", "events", "bytes"]);
    check::<Hello>(
        json!({"epoch": "k", "head": 7, "heartbeatMs": 15000, "build": "b", "retryMs": 300}),
        &["epoch", "head", "heartbeatMs", "build"],
    );
    check::<Output>(json!({"run": ID, "text": "\u{fffd}", "at": AT, "base64": "/w=="}), &["run", "text", "at"]);
    let end = json!({
        "run": ID, "status": "failed", "exitCode": 3, "events": 1, "bytes": 2, "digest": "sha256:00", "verified": false,
        "damage": {"from": 0, "to": 2},
    });
    check::<End>(end, &["run", "status", "events", "bytes", "digest"]);
    check::<Ping>(json!({"head": 7}), &["head"]);
    check::<Reset>(json!({"reason": "r", "head": 7}), &["reason", "head"]);
    check::<ForceLogout>(json!({"reason": "r"}), &["reason"]);
    check::<Shutdown>(json!({"retryMs": 300}), &["retryMs"]);
    let size = json!({"at": 9, "text_at": 1, "columns": 80, "rows": 24});
    check::<PlacedSize>(size.clone(), &["at", "text_at", "columns", "rows"]);
    check::<Size>(json!({"run": ID, "columns": 80, "rows": 24}), &["run", "columns", "rows"]);
    let held = json!({"count": 0, "copiedAt": AT});
    let tail = json!({"run": ID, "text": "x", "sizes": [size]});
    check::<RunTail>(tail.clone(), &["run", "text", "sizes"]);
    check::<DashboardSnapshot>(
        json!({"cursor": "k-7", "tasks": [task()], "runs": [run()], "tails": [tail], "runners": ["shell"], "request_id": "r", "held": held}),
        &["cursor", "tasks", "runs", "tails", "runners", "request_id", "held"],
    );
    check::<BoardSnapshot>(
        json!({"cursor": "k-7", "tasks": [task()], "total": 1, "scopes": ["s"], "tags": [], "kinds": ["odd"], "statuses": ["new"], "held": held}),
        &["cursor", "tasks", "total", "scopes", "tags", "kinds", "statuses", "held"],
    );
    let console =
        json!({"cursor": "k-7", "run": run(), "text": "x", "text_start": 3, "sizes": [size], "digest_so_far": "00", "input": "r"});
    check::<ConsoleSnapshot>(console.clone(), &["cursor", "run", "text", "text_start", "sizes"]);
    check::<TaskSnapshot>(
        json!({"cursor": "k-7", "task": task(), "output_html": null, "runs": [run()], "console": console}),
        &["cursor", "task", "runs"],
    );
}

#[test]
fn null_is_none_where_there_may_be_none_and_wrong_elsewhere() {
    let with = |name: &str, value: Value| {
        let mut task = task();
        task[name] = value;
        Task::read(task)
    };
    assert_eq!(with("scope", Value::Null).expect("none").scope, None);
    assert_eq!(with("answer", Value::Null).expect("none").answer, None);
    for (name, words) in [("title", "title must be text"), ("tags", "tags must be a list"), ("context", "context must be an object")] {
        assert_eq!(with(name, Value::Null).expect_err("null is not absent").to_string(), words);
    }
    assert_eq!(with("tags", json!(["a", 3])).expect_err("a number").to_string(), "tags must be text");
    assert_eq!(with("context", json!({"choices": [{"label": "x"}]})).expect_err("no value").to_string(), "value is missing");
    let now = "createdAt must be a time in RFC 3339 such as 2026-01-02T09:13:58.259Z";
    assert_eq!(with("createdAt", json!("today")).expect_err("no time").to_string(), now);
    assert_eq!(parse("{]").expect_err("no JSON").to_string(), "the value must be JSON");
}

#[test]
fn numbers_are_whole_and_in_range() {
    assert_eq!(u64::read(json!(u64::MAX)), Ok(u64::MAX));
    assert_eq!((i32::read(json!(i32::MIN)), i32::read(json!(i32::MAX))), (Ok(i32::MIN), Ok(i32::MAX)));
    assert_eq!(u16::read(json!(65535)), Ok(65535));
    for wrong in [json!(-1), json!(1.0), json!("1")] {
        assert!(u64::read(wrong.clone()).is_err() && u16::read(wrong.clone()).is_err(), "{wrong}");
    }
    assert!(u16::read(json!(65536)).is_err() && i32::read(json!(1u64 << 31)).is_err() && i32::read(json!(u64::MAX)).is_err());
    assert_eq!((bool::read(json!(true)), bool::read(json!(1)).is_err()), (Ok(true), true));
}

#[test]
fn serde_reads_by_the_same_reader() {
    assert_eq!(from_value::<Task>(task()).expect("a task"), Task::read(task()).expect("a task"));
    assert_eq!(
        from_value::<Task>(json!({"id": "x"})).expect_err("no task").to_string(),
        Task::read(json!({"id": "x"})).expect_err("no task").to_string()
    );
}

/// Any JSON, mostly of members and values that mean something to one type or the other.
fn anything() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "id",
        "type",
        "status",
        "title",
        "description",
        "context",
        "tags",
        "createdAt",
        "updatedAt",
        "answer",
        "answeredAt",
        "value",
        "label",
        "choices",
        "primary",
        "deleted",
        "taskId",
        "requestId",
        "runner",
        "prompt",
        "exitCode",
        "events",
        "bytes",
        "lines",
        "digest",
        "run",
        "text",
        "at",
        "head",
        "reason",
        "retryMs",
        "epoch",
        "cursor",
        "task",
        "runs",
        "tasks",
        "tails",
        "console",
        "text_start",
        "sizes",
        "",
    ]);
    let text = prop_oneof![Just(ID.to_owned()), Just(AT.to_owned()), Just("k-7".to_owned()), Just("running".to_owned()), ".{0,9}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
        Just(task()),
        Just(run()),
    ];
    leaf.prop_recursive(4, 64, 12, move |inner| {
        let object = prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner.clone(), 0..12);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            object.clone().prop_map(|members| members.into_iter().collect()),
            // A task or a run of which something is otherwise.
            (prop::sample::select(vec![task(), run()]), object).prop_map(|(mut whole, members)| {
                whole.as_object_mut().expect("an object").extend(members);
                whole
            }),
        ]
    })
}

/// Whatever is read is written and read again as the same.
pub(crate) fn settles<T: Read + Serialize + PartialEq + Debug>(value: &Value) {
    if let Ok(read) = T::read(value.clone()) {
        assert_eq!(T::read(to_value(&read).expect("JSON")).as_ref(), Ok(&read));
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_what_is_read_stays(value in anything()) {
        settles::<Task>(&value);
        settles::<TaskEvent>(&value);
        settles::<TaskContext>(&value);
        settles::<Choice>(&value);
        settles::<Answer>(&value);
        settles::<Run>(&value);
        settles::<Hello>(&value);
        settles::<Output>(&value);
        settles::<End>(&value);
        settles::<DashboardSnapshot>(&value);
        settles::<BoardSnapshot>(&value);
        settles::<TaskSnapshot>(&value);
        settles::<ConsoleSnapshot>(&value);
        settles::<TaskId>(&value);
        settles::<RunId>(&value);
        settles::<Option<Vec<RunStatus>>>(&value);
        settles::<Vec<Cursor>>(&value);
        settles::<Epoch>(&value);
        settles::<Timestamp>(&value);
    }

    #[test]
    fn no_event_panics(name in prop::sample::select(crate::domain::event::EVENT_NAMES.to_vec()), value in anything(), text in ".*") {
        let _ = StreamEvent::parse(name, &value.to_string());
        let _ = StreamEvent::parse(name, &text);
    }
}
