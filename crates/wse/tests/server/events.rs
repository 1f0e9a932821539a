//! What the application is told: in order, strictly in pairs, with the true close codes.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use wse::{Conn, Event, Limits, RpError, Server, Stranger};
use wse_test_peers::{Got, RawClient, attach, enter, events, line, log, server, settle, text};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn every_end_is_told_once_with_its_true_code() {
    let (when, mut events) = events();
    let limits = Limits { queue_bytes: 2000, queue_bytes_max: 2000, ..Limits::default() };
    let server = server(|builder| builder.when(when).limits(limits));
    let ends = [
        ("custom close", "1000 CUSTOM_REASON"),
        ("jump", "4000 jump"),
        ("close without a code", "1005"),
        ("end of the stream", "1006"),
        ("drop", "1000 wse.by-server"),
        ("drop with a reason", "1000 banned"),
        ("protocol error", "1000 wse.protocol-error"),
        ("bad frame", "1002"),
        ("too big", "1009"),
        ("slow", "1013 wse.slow"),
        ("silent", "1006 wse.silent"),
        ("newer device", "1000 wse.clients-concurrency"),
    ];
    for (number, (how, closed)) in ends.into_iter().enumerate() {
        // The new device of the last round is a connection too.
        let id = number + 1;
        let mut peer = enter(&server, "ann").await;
        let conn = server.user("ann").conns().remove(0);
        assert_eq!(events.take(2).await, ["joined ann".to_owned(), format!("connected ann {id}")]);
        match how {
            "custom close" => peer.close(1000, "CUSTOM_REASON").await,
            "jump" => peer.close(4000, "jump").await,
            "close without a code" => peer.close(1005, "").await,
            "end of the stream" => drop(peer),
            "drop" => conn.drop(wse::Reason::default()),
            "drop with a reason" => conn.drop("banned"),
            "protocol error" => peer.send("{{{").await,
            "bad frame" => peer.write(&[0xff, 0]).await,
            "too big" => peer.write(&wse_test_peers::header(0x81, 2 << 20)).await,
            "slow" => assert!((0..100).any(|_| conn.send("m", "x".repeat(500)).is_err())),
            "silent" => sleep(40 * S).await,
            _ => {
                let mut newer = enter(&server, "ann").await;
                assert_eq!(events.next().await, format!("connected ann {}", id + 1));
                assert_eq!(events.next().await, format!("disconnected ann {id} {closed}"));
                newer.close(1000, "").await;
                assert_eq!(events.take(2).await, [format!("disconnected ann {} 1000", id + 1), "left ann 1000".into()]);
                continue;
            }
        }
        let (gone, left) = (events.next().await, events.next().await);
        assert!(gone.starts_with(&format!("disconnected ann {id} {closed}")), "{how}: {gone}");
        assert!(left.starts_with(&format!("left ann {closed}")), "{how}: {left}");
    }
    sleep(60 * S).await;
    assert!(events.so_far().is_empty(), "nothing is told twice");
}

#[tokio::test(start_paused = true)]
async fn joined_and_left_frame_all_devices_of_a_user() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when).limits(Limits { conns_per_user: 3, ..Limits::default() }));
    let (one, two) = (enter(&server, "ann").await, enter(&server, "ann").await);
    one.leave().await;
    let three = enter(&server, "ann").await;
    two.leave().await;
    three.leave().await;
    let four = enter(&server, "ann").await;
    four.leave().await;
    let bye = "1000 wse.by-client";
    assert_eq!(
        events.take(12).await,
        [
            "joined ann".into(),
            "connected ann 1".into(),
            "connected ann 2".into(),
            format!("disconnected ann 1 {bye}"),
            "connected ann 3".into(),
            format!("disconnected ann 2 {bye}"),
            format!("disconnected ann 3 {bye}"),
            format!("left ann {bye}"),
            "joined ann".into(),
            "connected ann 4".into(),
            format!("disconnected ann 4 {bye}"),
            format!("left ann {bye}"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_handler_is_told_as_ignored_and_not_answered() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when).register("echo", async |_, what: Value| Ok(what)));
    let mut peer = enter(&server, "ann").await;
    events.take(2).await;
    peer.say("nobody-listens", json!({"value": 42})).await;
    peer.send("[\"short\"]").await;
    peer.say("echo", json!("a procedure is no handler")).await;
    assert_eq!(
        events.take(3).await,
        [
            r#"ignored ann nobody-listens {"value":42}"#,
            "ignored ann short null",
            r#"ignored ann echo "a procedure is no handler""#
        ]
    );
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_user_wait_for_one_another_and_not_for_another_users() {
    let log = log();
    let told = log.clone();
    let server = server(|builder| {
        builder.when(async move |event: Event| {
            let line = line(&event);
            if line.contains("ann") {
                told.add(format!("begin {line}"));
                sleep(10 * S).await;
            }
            told.add(line);
        })
    });
    let ann = enter(&server, "ann").await;
    ann.leave().await;
    let bob = enter(&server, "bob").await;
    settle().await;
    assert_eq!(log.take(), ["begin joined ann", "joined bob", "connected bob 2"]);
    bob.leave().await;
    sleep(60 * S).await;
    let bye = "1000 wse.by-client";
    assert_eq!(
        log.take(),
        [
            format!("disconnected bob 2 {bye}"),
            format!("left bob {bye}"),
            "joined ann".into(),
            "begin connected ann 1".into(),
            "connected ann 1".into(),
            format!("begin disconnected ann 1 {bye}"),
            format!("disconnected ann 1 {bye}"),
            format!("begin left ann {bye}"),
            format!("left ann {bye}"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn several_event_handlers_run_in_order_and_a_panic_loses_no_event() {
    let log = log();
    let (one, two) = (log.clone(), log.clone());
    let (when, mut events) = events();
    let server = server(|builder| {
        builder
            .when(async move |event: Event| {
                sleep(S).await;
                one.add(format!("one {}", line(&event)));
            })
            .when(async move |event: Event| two.add(format!("two {}", line(&event))))
            .when(when)
            .when(async |event: Event| {
                if matches!(event, Event::Joined(_)) {
                    panic!("an event handler broke");
                }
            })
    });
    let peer = enter(&server, "ann").await;
    assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
    assert_eq!(log.take(), ["one joined ann", "two joined ann", "one connected ann 1", "two connected ann 1"]);
    peer.leave().await;
    assert_eq!(events.take(2).await, ["disconnected ann 1 1000 wse.by-client", "left ann 1000 wse.by-client"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_may_use_the_server() {
    let server = server(|builder| {
        builder.when(async |event: Event| match event {
            Event::Joined(user) => assert_eq!(user.send("joined", user.conn_count()).unwrap().here, 1),
            Event::Connected(conn) if conn.cid().as_str() == "eve" => conn.drop("not you"),
            Event::Connected(conn) => {
                let name: String = conn.call("name", ()).await.unwrap();
                conn.server().broadcast("named", name).unwrap();
            }
            _ => {}
        })
    });
    let mut peer = enter(&server, "ann").await;
    assert_eq!(peer.text().await, r#"["joined",1,null]"#);
    let call = peer.json().await;
    peer.send(&json!(["~wse:response", "Ann", call[2]]).to_string()).await;
    assert_eq!(peer.text().await, r#"["named","Ann",null]"#);
    let mut eve = enter(&server, "eve").await;
    eve.text().await;
    assert_eq!(eve.closed().await, (1000, "not you".into()));
}

#[tokio::test(start_paused = true)]
async fn handlers_that_began_are_finished_after_the_peer_left() {
    let log = log();
    let done = log.clone();
    let (when, mut events) = events();
    let server = server(|builder| {
        builder.when(when).on("work", async move |conn: Conn, secs: u32| {
            sleep(S * secs).await;
            done.add(format!("{secs} open: {}", conn.is_open()));
            conn.send("done", secs)?;
            Ok(())
        })
    });
    for how in ["hang up", "close", "drop"] {
        let mut peer: RawClient = enter(&server, "ann").await;
        events.take(2).await;
        let burst = [text("[\"work\",5]"), text("[\"work\",2]")].concat();
        peer.write(&burst).await;
        settle().await;
        match how {
            "hang up" => drop(peer),
            "close" => peer.leave().await,
            _ => assert_eq!(server.drop_user("ann", ""), 1),
        }
        sleep(S).await;
        assert_eq!(events.take(2).await.len(), 2, "the end is told before the handlers are done");
        assert!(log.take().is_empty());
        sleep(10 * S).await;
        assert_eq!(log.take(), ["2 open: false", "5 open: false"], "{how}");
        let errors = events.so_far();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(errors.iter().all(|error| error.ends_with("not connected")), "{errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrived_before_the_goodbye_is_handled() {
    let log = log();
    let done = log.clone();
    let server = server(|builder| {
        builder.limits(Limits { handlers_per_conn: 1, ..Limits::default() }).on("m", async move |_, n: u32| {
            sleep(S).await;
            done.add(n);
            Ok(())
        })
    });
    let mut peer = attach(&server);
    peer.enter("ann").await;
    for number in 0..5 {
        peer.say("m", json!(number)).await;
    }
    peer.close(1000, "wse.by-client").await;
    assert_eq!(peer.next().await, Got::Close(Some((1000, "wse.by-client".into()))));
    assert_eq!(peer.next().await, Got::End);
    sleep(10 * S).await;
    assert_eq!(log.take(), ["0", "1", "2", "3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_events_pile_up_is_held_off_and_loses_none() {
    let log = log();
    let told = log.clone();
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let waiting = gate.clone();
    let server = server(|builder| {
        builder.when(async move |event: Event| {
            let _open = waiting.acquire().await.unwrap();
            told.add(line(&event));
        })
    });
    let mut welcome = 0;
    let held_off = loop {
        let mut peer = attach(&server);
        peer.hi(json!("ann"), json!({})).await;
        match peer.next().await {
            Got::Text(_) => welcome += 1,
            closed => break closed,
        }
        drop(peer);
        settle().await;
        assert!(welcome < 1000, "events are kept without a bound");
    };
    assert_eq!(held_off, Got::Close(Some((1013, "wse.slow".into()))));
    // Nobody else is held off.
    let mut bob = enter(&server, "bob").await;
    bob.hears_nothing().await;
    gate.add_permits(1);
    sleep(S).await;
    let lines = log.take();
    let of = |what: &str| lines.iter().filter(|line| line.starts_with(what) && line.contains("ann")).count();
    assert!(welcome > 50, "{welcome}");
    assert_eq!([of("joined"), of("connected"), of("disconnected"), of("left")], [welcome; 4]);
    enter(&server, "ann").await.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_message_or_procedure_that_it_is_about() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let fail = || RpError::new("E");
    let server = Server::builder()
        .identify(
            async move |stranger: Stranger, name: String| {
                if name == "nobody" { Err(fail()) } else { Ok(stranger.accept(name)) }
            },
        )
        .on("at-once", async move |_, _: Value| Err(fail()))
        .on("later", async move |_, _: Value| {
            tokio::task::yield_now().await;
            Err(fail())
        })
        .register("panic", async |_, _: Value| -> Result<(), RpError> { panic!("oh no") })
        .on_receive(async move |_, envelope| if envelope.name == "stopped" { Err(fail()) } else { Ok(()) })
        .when(async move |event| {
            if let Event::Error { name, conn, .. } = event {
                let _ = tell.send((name.as_deref().map(str::to_owned), conn.is_some()));
            }
        })
        .build();
    let mut stranger = attach(&server);
    stranger.hi(json!("nobody"), json!({})).await;
    assert_eq!(told.recv().await, Some((None, false)));
    let mut peer = enter(&server, "ann").await;
    for name in ["at-once", "later", "stopped"] {
        peer.say(name, json!(1)).await;
        assert_eq!(told.recv().await, Some((Some(name.to_owned()), true)));
    }
    peer.ask("panic", json!(1), "S").await;
    assert_eq!(told.recv().await, Some((Some("panic".to_owned()), true)));
}
