//! The names of `connections`: devices of a user, how they come and how they go.

use serde_json::{Value, json};
use wse::{Client, Limits, Reason, Server, Stranger};
use wse_test_peers::{Events, attach, enter, events, on_net, server, settle, soon};

const TWENTY: usize = 20;

/// A client of its own name that is in, and its events.
async fn client(server: &Server, name: &str) -> (Client, Events) {
    let (when, events) = events();
    let client = soon(on_net(&[("a", server)]).identity(name).when(when).connect()).await.expect("it comes in");
    (client, events)
}

/// Twenty clients, each of a name of its own.
async fn twenty(server: &Server) -> Vec<(Client, Events)> {
    let mut clients = Vec::new();
    for number in 0..TWENTY {
        clients.push(client(server, &format!("user-{number}")).await);
    }
    clients
}

#[tokio::test(start_paused = true)]
async fn by_default_a_user_has_one_device_and_the_older_one_is_dropped() {
    let server = server(|builder| builder);
    let (_older, mut told) = client(&server, "ann").await;
    let (newer, mut stays) = client(&server, "ann").await;
    assert_eq!(told.next_like("closed").await, "closed 1000 wse.clients-concurrency");
    settle().await;
    assert_eq!(server.user("ann").conn_count(), 1);
    assert!(!stays.so_far().iter().any(|event| event.starts_with("closed")));
    newer.send("m", 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_two_are_allowed_the_third_device_pushes_out_the_first() {
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let (_first, mut told) = client(&server, "ann").await;
    let (second, third) = (client(&server, "ann").await, client(&server, "ann").await);
    assert_eq!(told.next_like("closed").await, "closed 1000 wse.clients-concurrency");
    settle().await;
    assert_eq!(server.user("ann").conn_count(), 2);
    for (_, mut stays) in [second, third] {
        assert!(!stays.so_far().iter().any(|event| event.starts_with("closed")));
    }
}

#[tokio::test(start_paused = true)]
async fn only_devices_that_got_through_the_challenge_count() {
    let server = Server::builder()
        .limits(Limits { conns_per_user: 2, ..Limits::default() })
        .identify(async |stranger: Stranger, name: String| {
            Ok(match stranger.answer::<Value, Value>()? {
                None => stranger.challenge(&1),
                Some((_, answer)) if answer == 1 => stranger.accept(name),
                Some(_) => stranger.refuse(),
            })
        })
        .build();
    let (when, mut told) = events();
    let builder = || on_net(&[("a", &server)]).identity("ann");
    let first = builder().challenge(async |_, quest: Value| Ok(quest)).when(when).build();
    soon(first.connect()).await.unwrap();
    for _ in 0..5 {
        let wrong = builder().challenge(async |_, _: Value| Ok("wrong")).build();
        assert_eq!(soon(wrong.connect()).await.unwrap_err().code(), "wse.not-authorized");
        let mut hesitating = attach(&server);
        hesitating.hi(json!("ann"), json!({})).await;
        assert_eq!(hesitating.json().await[0], "~wse:challenge");
    }
    let second = builder().challenge(async |_, quest: Value| Ok(quest)).build();
    soon(second.connect()).await.unwrap();
    settle().await;
    assert_eq!(server.user("ann").conn_count(), 2);
    assert!(!told.so_far().iter().any(|event| event.starts_with("closed")));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_itself_reaches_disconnected_and_left() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let (ann, mut told) = client(&server, "ann").await;
    assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
    soon(ann.close("done here")).await;
    assert_eq!(events.take(2).await, ["disconnected ann 1 1000 done here", "left ann 1000 done here"]);
    assert_eq!(told.next_like("closed").await, "closed 1000 done here");
}

#[tokio::test(start_paused = true)]
async fn left_carries_the_close_code_of_the_last_connection() {
    let (when, mut events) = events();
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let server = server(|builder| builder.when(when).limits(limits));
    let (mut first, mut last) = (enter(&server, "ann").await, enter(&server, "ann").await);
    first.close(4001, "first").await;
    assert_eq!(events.next_like("disconnected").await, "disconnected ann 1 4001 first");
    last.close(4002, "last").await;
    assert_eq!(events.take(2).await, ["disconnected ann 2 4002 last", "left ann 4002 last"]);
    let (bob, _told) = client(&server, "bob").await;
    assert!(bob.jump("ws://nowhere/").await.is_err());
    assert_eq!(events.next_like("left").await, "left bob 4000 jump");
}

#[tokio::test(start_paused = true)]
async fn a_user_that_is_dropped_has_left_exactly_once() {
    let (when, mut events) = events();
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let server = server(|builder| builder.when(when).limits(limits));
    let devices = [client(&server, "ann").await, client(&server, "ann").await];
    assert_eq!(server.drop_user("ann", "banned"), 2);
    for (_, mut told) in devices {
        assert_eq!(told.next_like("closed").await, "closed 1000 banned");
    }
    settle().await;
    let events = events.so_far();
    let number = |start: &str| events.iter().filter(|event| event.starts_with(start)).count();
    assert_eq!((number("disconnected ann"), number("left ann 1000 banned"), number("left")), (2, 1, 1), "{events:?}");
    assert!(events.last().is_some_and(|last| last.starts_with("left")), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn dropping_an_unknown_user_does_nothing() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let mut ann = enter(&server, "ann").await;
    assert_eq!(server.drop_user("nobody", Reason::default()), 0);
    ann.hears_nothing().await;
    assert_eq!(events.so_far(), ["joined ann", "connected ann 1"]);
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_are_all_seen_as_joined() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let clients = twenty(&server).await;
    settle().await;
    let events = events.so_far();
    for number in 0..TWENTY {
        assert_eq!(events.iter().filter(|event| **event == format!("joined user-{number}")).count(), 1);
    }
    assert_eq!((server.user_count(), server.conn_count(), clients.len()), (TWENTY, TWENTY, TWENTY));
}

#[tokio::test(start_paused = true)]
async fn twenty_clients_that_are_dropped_all_see_the_reason() {
    let server = server(|builder| builder);
    let clients = twenty(&server).await;
    for user in server.users() {
        user.drop("maintenance");
    }
    for (_, mut told) in clients {
        assert_eq!(told.next_like("closed").await, "closed 1000 maintenance");
    }
    assert_eq!(server.conn_count(), 0);
}
