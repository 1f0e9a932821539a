//! Tasks that are aborted while a session moves from one connection to another: no stream outlives
//! the task that was to serve it.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};
use wse::Conn;
use wse_test_peers::{attach_with, events, next_in_line, server, settle, text};

/// Small, so that a hi and a welcome take many polls each.
const PIPE: usize = 24;

/// Which task is aborted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Task {
    /// That of the parked session.
    Parked,
    /// That of the connection which resumes it.
    Resuming,
}

/// A device is parked and comes back over a second stream; so many polls later a task is aborted.
/// Once both tasks have ended, the second stream must end, too. True when the session had resumed before
/// the task was aborted.
async fn abort_after(polls: u32, task: Task, application_holds_the_device: bool) -> bool {
    let what = format!("{task:?} aborted after {polls} polls, device held: {application_holds_the_device}");
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let (mut first, parked) = attach_with(&server, 4096, Request::new(()));
    first.say("~wse:hi", json!({"identity": "ann", "session": {}})).await;
    let granted: Value = first.json().await[2].clone();
    let held: Option<Conn> = server.user("ann").conns().pop().filter(|_| application_holds_the_device);
    drop(first);
    settle().await;

    let (ours, theirs) = tokio::io::duplex(PIPE);
    let resuming = server.attach(theirs, Request::new(())).expect("the server runs");
    let (mut reader, mut writer) = tokio::io::split(ours);
    let session = json!({"resume": granted["session"], "seen": 0});
    let hi = text(&json!(["~wse:hi", {"identity": "ann", "session": session}]).to_string());
    let hi = tokio::spawn(async move { _ = writer.write_all(&hi).await }); // fails when the stream has ended
    let reading = tokio::spawn(async move { _ = reader.read_to_end(&mut Vec::new()).await });
    let aborted = if task == Task::Parked { parked.abort_handle() } else { resuming.abort_handle() };
    let aborting: JoinHandle<()> = tokio::spawn(async move {
        for _ in 0..polls {
            next_in_line().await;
        }
        aborted.abort();
    });
    aborting.await.expect("it cannot panic");
    settle().await;
    parked.abort();
    resuming.abort();
    _ = (parked.await, resuming.await);
    drop(server);
    let ended = tokio::time::timeout(Duration::from_secs(600), reading).await;
    assert!(ended.is_ok(), "{what}: both tasks have ended, and the stream is still held");
    hi.abort();
    drop(held);
    events.so_far().iter().any(|event| event.starts_with("resumed"))
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_tasks_whenever_one_is_aborted_while_a_session_resumes() {
    for held in [false, true] {
        for task in [Task::Parked, Task::Resuming] {
            assert!(!abort_after(0, task, held).await, "the hi has not come yet");
            let mut polls = 1;
            while !abort_after(polls, task, held).await {
                polls += 1;
                assert!(polls < 500, "the session never resumes");
            }
            assert!(polls > 2, "the resume takes several polls, and a task was aborted at each");
            for later in 1..4 {
                assert!(abort_after(polls + later, task, held).await, "it has resumed by then");
            }
        }
    }
}
