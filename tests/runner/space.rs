//! A database that has no room, which is as a full disk is, wherever the tests run: output waits in the spool, and nothing is lost.

use crate::place::{Place, until};
use kontasks::{backend::store::NewRun, domain::run::RunStatus};
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test]
async fn output_waits_while_the_database_is_full() {
    let place = Place::new();
    let server = place.server().await;
    server.store.limit_pages(300).await.expect("limits");
    let run = server.submit("head -c 3000000 /dev/zero | tr '\\0' x; echo end").await;
    let begin = Instant::now();
    while !server.store.is_full() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never full");
        sleep(Duration::from_millis(2)).await;
    }
    until("the program goes on to its end", || place.run_folder(run.id).join("end.json").exists());
    let now = server.store.run(run.id).await.expect("reads").expect("there");
    assert!(now.status == RunStatus::Running && now.bytes < 3_000_000, "{now:?}");
    let refused = server.store.submit(NewRun { prompt: "y".repeat(200_000), runner: "shell".into(), ..NewRun::default() }).await;
    assert!(refused.expect_err("refused").to_string().contains("the disk is full"));

    server.store.limit_pages(1_000_000).await.expect("limits");
    let (run, bytes) = server.end(run.id).await;
    assert_eq!((run.status, bytes.len()), (RunStatus::Succeeded, 3_000_004));
    assert!(!server.store.is_full());
    server.leave().await;
}
