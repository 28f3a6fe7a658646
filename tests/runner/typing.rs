//! What is typed into a run's terminal.

use crate::place::{Gate, Place, Server};
use kontasks::{
    backend::{
        runner::RunnerError,
        store::{Frame, Topics},
    },
    domain::{event::StreamEvent, id::RunId, run::RunStatus},
};

async fn says(server: &Server, run: RunId, what: &str) {
    let mut bytes = 0;
    while !String::from_utf8(server.output(run).await).expect("UTF-8").contains(what) {
        bytes = server.until(run, what, |run| run.bytes > bytes).await.bytes;
    }
}

async fn type_in(server: &Server, run: RunId, id: &str, text: &str) {
    server.runners.type_in(run, id.into(), text.into()).await.expect("accepted");
}

#[tokio::test]
async fn a_line_reaches_the_program_once() {
    let place = Place::new();
    let server = place.server().await;
    let run = server.submit("printf ready; read name; read more; echo \"hello $name and $more\"").await.id;
    says(&server, run, "ready").await;
    type_in(&server, run, "1", "World\r").await;
    type_in(&server, run, "1", "World\r").await;
    type_in(&server, run, "2", "Zoë\n").await;
    let (ended, output) = server.end(run).await;
    assert_eq!(ended.status, RunStatus::Succeeded);
    assert!(String::from_utf8(output).expect("UTF-8").ends_with("hello World and Zoë\n"));
}

#[tokio::test]
async fn what_was_accepted_arrives_though_the_server_is_replaced() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "asks");
    let run = server.submit(&format!("printf ready; {gate}; read name; echo \"hello $name\"")).await.id;
    says(&server, run, "ready").await;
    let supervisor = place.supervisor(run);
    crate::place::kill(supervisor, "-STOP");
    type_in(&server, run, "1", "World\r").await;
    server.runners.stop().await;
    server.store.close().await;
    let server = place.server().await;
    type_in(&server, run, "1", "World\r").await;
    crate::place::kill(supervisor, "-CONT");
    gate.open();
    let (_, output) = server.end(run).await;
    assert_eq!(String::from_utf8(output).expect("UTF-8").matches("hello World").count(), 1);
}

#[tokio::test]
async fn much_is_taken_as_fast_as_the_program_reads() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "reads");
    let run = server.submit(&format!("stty -echo; printf ready; {gate}; head -n 5000 | cksum")).await.id;
    says(&server, run, "ready").await;
    let lines: Vec<String> = (0..5_000).map(|number| format!("line {number}\n")).collect();
    for (id, part) in lines.chunks(1_000).enumerate() {
        type_in(&server, run, &id.to_string(), &part.concat()).await;
    }
    gate.open();
    let (_, output) = server.end(run).await;
    let told = String::from_utf8(output).expect("UTF-8");
    assert!(told.contains(&format!(" {}", lines.concat().len())), "{told}");
}

#[tokio::test]
async fn the_terminal_has_the_size_of_the_console() {
    let place = Place::new();
    let server = place.server().await;
    // It waits in small steps: a shell that is about to wait for input keeps a signal until that came.
    let gate = Gate::new(&place, "end");
    let run = server.submit(&format!("trap 'echo is; stty size' WINCH; echo was; stty size; {gate}")).await.id;
    says(&server, run, "was\n32 120\n").await;
    server.runners.resize(run, 77, 20).await.expect("accepted");
    says(&server, run, "is\n20 77\n").await;
    gate.open();
    server.end(run).await;
}

fn event(frame: &Frame) -> Option<StreamEvent> {
    let text = std::str::from_utf8(&frame.bytes).expect("UTF-8");
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
    StreamEvent::parse(frame.kind.name(), data).expect("JSON")
}

/// What a reader of the run's stream is told, one after the other: the output, and each size.
async fn told(server: &Server, run: RunId) -> Vec<StreamEvent> {
    let mut reader = server.store.reader(Topics::Run(run), 0);
    let mut events = Vec::new();
    while !matches!(events.last(), Some(StreamEvent::End(_))) {
        events.extend(reader.next().await.expect("reads").frames.iter().filter_map(event));
    }
    events.retain(|event| matches!(event, StreamEvent::Output(_) | StreamEvent::Size(_)));
    events
}

#[tokio::test]
async fn a_size_has_its_place_among_the_output_and_is_logged_once() {
    let place = Place::new();
    let server = place.server().await;
    let gate = Gate::new(&place, "end");
    let run = server.submit(&format!("trap 'stty size' WINCH; echo before; {gate}")).await.id;
    says(&server, run, "before\n").await;
    server.runners.resize(run, 77, 20).await.expect("accepted");
    says(&server, run, "20 77\n").await;
    // The same again is no other size; nor is it one when a next server reads the folder from its beginning.
    server.runners.resize(run, 77, 20).await.expect("accepted");
    server.runners.stop().await;
    server.store.close().await;
    let server = place.server().await;
    server.runners.resize(run, 100, 30).await.expect("accepted");
    says(&server, run, "30 100\n").await;
    gate.open();
    server.end(run).await;

    let mut sizes = Vec::new();
    let mut text = String::new();
    for event in told(&server, run).await {
        match event {
            StreamEvent::Output(output) => text.push_str(&output.text),
            StreamEvent::Size(size) => sizes.push((size.columns, size.rows, text.clone())),
            _ => {}
        }
    }
    let [(77, 20, first), (100, 30, second)] = &sizes[..] else { panic!("{sizes:?}") };
    assert!(first.ends_with("before\n") && !first.contains("20 77"), "{first}");
    assert!(second.contains("20 77") && !second.contains("30 100"), "{second}");
    let console = server.store.console(run).await.expect("there");
    let placed: Vec<_> = console.sizes.iter().map(|size| (size.columns, size.at, size.text_at)).collect();
    assert_eq!(placed, [(77, first.len() as u64, first.len() as u64), (100, second.len() as u64, second.len() as u64)]);
}

#[tokio::test]
async fn what_cannot_be_typed_is_said() {
    let place = Place::with(
        "[[runner]]\nname = \"shell\"\n[[runner]]\nname = \"pipe\"\ncommand = [\"sh\", \"-c\", \"{prompt}\"]\nterminal = false\n",
    );
    let server = place.server().await;
    let gate = Gate::new(&place, "end");
    let piped = server.submit_to("pipe", &format!("echo ready; {gate}")).await.expect("accepted").id;
    says(&server, piped, "ready").await;
    let refused = server.runners.type_in(piped, "1".into(), "x\r".into()).await.expect_err("no terminal").to_string();
    assert!(refused.contains("pipe") && refused.contains("terminal = true"), "{refused}");
    gate.open();
    server.end(piped).await;
    assert!(matches!(server.runners.type_in(piped, "1".into(), "x".into()).await, Err(RunnerError::AlreadyEnded)));
    let nobody = RunId(uuid::Uuid::nil());
    assert!(matches!(server.runners.type_in(nobody, "1".into(), "x".into()).await, Err(RunnerError::NotFound)));
    for text in ["".to_owned(), "x".repeat(4_001), "x\n".repeat(40_000)] {
        assert!(matches!(server.runners.type_in(nobody, "1".into(), text).await, Err(RunnerError::Invalid(_))));
    }
    assert!(matches!(server.runners.resize(nobody, 0, 24).await, Err(RunnerError::Invalid(_))));
}
