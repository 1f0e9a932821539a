//! Large messages: they come back as they were sent, whatever lies before, behind and between their
//! pieces.

use futures_util::future::BoxFuture;
use http::Request;
use serde_json::{Value, json};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::Semaphore,
    time::sleep,
};
use wse::{CallError, Conn, Limits, codec::Payload};
use wse_frame::Opcode;
use wse_test_peers::{RawClient, attach_with, frame, log, server, settle, text};

/// A message of about so many bytes, of chars of one to four bytes.
fn message(number: usize, bytes: usize) -> String {
    let filler: String = "xä世😀".chars().cycle().skip(number).take(bytes * 4 / 10).collect();
    format!(r#"["echo",{{"number":{number},"filler":"{filler}"}},null]"#)
}

fn enter_by_pipe(pipe: usize) -> RawClient {
    let echo = async |conn: Conn, payload: Payload<'static>| {
        conn.send("echo", payload)?;
        Ok(())
    };
    attach_with(&server(|builder| builder.on("echo", echo)), pipe, Request::new(())).0
}

#[tokio::test(start_paused = true)]
async fn large_messages_come_back_as_they_were_sent_among_small_ones_and_pings() {
    // A pipe that is small cuts what the server reads, one that is large lets it read ahead.
    for pipe in [10_000, 70_001, 1 << 20] {
        let mut peer = enter_by_pipe(pipe);
        peer.enter("ann").await;
        for (number, bytes) in
            [4000, 5000, 17_000, 70_000, 131_000, 300_000, 131_072, 1_000_000].into_iter().enumerate()
        {
            let (large, small) = (message(number, bytes), message(number, 10));
            // The rest of the large one comes with the next small one, or by itself.
            let bytes = [text(&small), text(&large), text(&small)].concat();
            for piece in bytes.chunks(90_000 + number) {
                peer.write(piece).await;
            }
            for expected in [&small, &large, &small] {
                assert!(peer.text().await == *expected, "{number}");
            }
            // The same in two frames, with a ping between them, cut inside a char or beside one.
            let (front, back) = large.as_bytes().split_at(large.len() / 2 + number % 4);
            let mut first = frame(Opcode::Text, front);
            first[0] &= 0x7f;
            peer.write(&first).await;
            peer.frame(Opcode::Ping, b"between").await;
            peer.frame(Opcode::Continuation, back).await;
            peer.next().await;
            assert!(peer.text().await == large, "{number} in two frames");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_utf_8_deep_within_a_large_message_ends_it_with_1007_before_all_of_it_has_come() {
    let mut peer = enter_by_pipe(1 << 20);
    peer.enter("ann").await;
    let mut bad = message(0, 900_000).into_bytes();
    bad[500_000] = 0xff;
    peer.write(&frame(Opcode::Text, &bad)[..700_000]).await;
    assert_eq!(peer.closed().await.0, 1007);
}

/// What the application waits for.
type Waiting = BoxFuture<'static, Result<Value, CallError>>;

/// A stream whose reader makes the application give up what it waits for, as soon as `armed` bytes come.
struct GivingUp {
    io: DuplexStream,
    armed: Arc<AtomicBool>,
    waiting: Arc<Mutex<Option<Waiting>>>,
}

impl AsyncRead for GivingUp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() && self.armed.load(SeqCst) {
            drop(self.waiting.lock().expect("nobody panics").take());
        }
        read
    }
}

impl AsyncWrite for GivingUp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_that_has_come_whole_when_a_call_is_given_up_above_a_full_inbox_is_not_left_lying() {
    let (heard, gate) = (log(), Arc::new(Semaphore::new(0)));
    let (hears, passes) = (heard.clone(), gate.clone());
    let server = server(|builder| {
        let limits = Limits { inbox_bytes: 1000, handlers_per_conn: 1, ..Limits::default() };
        builder.limits(limits).on("m", async move |_, what: String| {
            passes.acquire().await.expect("it stays").forget();
            hears.add(what.len());
            Ok(())
        })
    });
    let (ours, io) = tokio::io::duplex(1 << 20);
    let (armed, waiting) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
    let stream = GivingUp { io, armed: armed.clone(), waiting: waiting.clone() };
    let _ended = server.attach(stream, Request::new(())).expect("it runs");
    let mut peer = RawClient::new(ours);
    peer.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    let mut call: Waiting = Box::pin(async move { conn.call("never", ()).await });
    assert!(futures_util::FutureExt::now_or_never(&mut call).is_none(), "it waits");
    *waiting.lock().unwrap() = Some(call);
    for bytes in [1, 600, 600] {
        peer.say("m", json!("x".repeat(bytes))).await; // one runs, and the others fill the inbox
    }
    let large = text(&json!(["m", "x".repeat(40_000), null]).to_string());
    let (front, back) = large.split_at(22_000); // there is room for all that is missing
    peer.write(front).await;
    settle().await;
    armed.store(true, SeqCst);
    peer.write(back).await;
    settle().await;
    assert!(waiting.lock().unwrap().is_none(), "it was given up while the rest was read");
    gate.add_permits(10);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(heard.take(), ["1", "600", "600", "40000"]);
}
