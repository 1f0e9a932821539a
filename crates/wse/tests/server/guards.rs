//! State of a connection, and what looks at it before a handler runs: guards and several hooks.

use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use wse::{Conn, Event, RpError, Server, guard, with, with_event};
use wse_test_peers::{attach, attach_to, enter, enter_messaging, events, log, messaging, server, settle};

#[derive(Debug, PartialEq)]
struct Claims {
    rider: bool,
}

fn is_rider(conn: &Conn) -> Result<(), RpError> {
    match conn.state::<Claims>() {
        Some(claims) if claims.rider => Ok(()),
        _ => Err(RpError::new("no-rider")),
    }
}

/// A server where those whose name begins with an r are riders.
fn rides() -> wse::ServerBuilder<wse::Identified> {
    Server::builder().identify(async |stranger, name: String| {
        let rider = name.starts_with('r');
        Ok(stranger.accept(name).state(Claims { rider }))
    })
}

#[tokio::test(start_paused = true)]
async fn a_device_has_the_state_that_it_was_accepted_with_under_its_own_type() {
    let server = rides().build();
    let _peers = (enter(&server, "rob").await, enter(&server, "dan").await);
    let [rob, dan] = ["rob", "dan"].map(|name| server.user(name).conns().remove(0));
    assert_eq!(rob.state::<Claims>().as_deref(), Some(&Claims { rider: true }));
    assert_eq!(dan.state::<Claims>().as_deref(), Some(&Claims { rider: false }));
    assert!(Arc::ptr_eq(&rob.state::<Claims>().unwrap(), &rob.clone().state::<Claims>().unwrap()));
    assert!(rob.state::<Arc<Claims>>().is_none() && rob.state::<u32>().is_none());
    let plain = wse_test_peers::server(|builder| builder);
    let _peer = enter(&plain, "ann").await;
    assert!(plain.user("ann").conns()[0].state::<Claims>().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_state_is_dropped_with_the_last_handle_to_the_device() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let server = Server::builder()
        .identify({
            let dropped = dropped.clone();
            async move |stranger: wse::Stranger, name: String| Ok(stranger.accept(name).state(Counted(dropped)))
        })
        .build();
    let peer = enter(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    peer.leave().await;
    settle().await;
    assert!(!conn.is_open() && conn.state::<Counted>().is_some(), "it can still be read");
    assert_eq!(dropped.load(Relaxed), 0);
    drop(conn);
    assert_eq!(dropped.load(Relaxed), 1);
    // What is refused keeps nothing.
    let refused = Arc::new(AtomicUsize::new(0));
    let server = Server::builder().identify({
        let refused = refused.clone();
        async move |stranger: wse::Stranger, (): ()| Ok(stranger.refuse().state(Counted(refused)))
    });
    let mut peer = attach(&server.build());
    peer.hi(json!(null), json!({})).await;
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
    assert_eq!(refused.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guard_lets_through_whom_its_check_lets_through_and_its_error_is_the_handlers() {
    let (when, mut events) = events();
    let server = rides()
        .when(when)
        .on("say", guard(is_rider, async |conn, text: String| Ok(conn.send("said", text).map(drop)?)))
        .register("fare", guard(is_rider, async |conn, km: u32| Ok((conn.cid().to_string(), km * 2))))
        .build();
    let (mut rob, mut dan) = (enter(&server, "rob").await, enter(&server, "dan").await);
    rob.say("say", json!("hello")).await;
    assert_eq!(rob.json().await, json!(["said", "hello", null]));
    assert_eq!(rob.call("fare", json!(4)).await, json!(["~wse:response", ["rob", 8]]));
    dan.say("say", json!("hello")).await;
    let refused = dan.call("fare", json!(4)).await;
    assert_eq!((&refused[0], &refused[1]["code"]), (&json!("~wse:response-err"), &json!("no-rider")));
    assert_eq!(events.next_like("error dan").await, "error dan wse.server.msg-processing-error no-rider");
    dan.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_guard_fits_shared_state_and_one_that_panics_lets_nobody_through() {
    struct App {
        fare: u32,
    }
    impl App {
        async fn fare(self: Arc<Self>, _: Conn, km: u32) -> Result<u32, RpError> {
            Ok(km * self.fare)
        }
    }
    let app = Arc::new(App { fare: 3 });
    let server = rides()
        .register("fare", guard(is_rider, with(&app, App::fare)))
        .register("broken", guard(|_: &Conn| panic!("the check broke"), with(&app, App::fare)))
        .build();
    let mut rob = enter(&server, "rob").await;
    assert_eq!(rob.call("fare", json!(2)).await, json!(["~wse:response", 6]));
    let broken = rob.call("broken", json!(2)).await;
    assert_eq!(broken[0], "~wse:response-err");
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_events_takes_shared_state_too() {
    #[derive(Default)]
    struct App {
        log: wse_test_peers::Log,
    }
    impl App {
        async fn heard(self: Arc<Self>, event: Event) {
            if let Event::Joined(user) = event {
                self.log.add(user);
            }
        }
    }
    let app = Arc::new(App::default());
    let server = server(|builder| builder.when(with_event(&app, App::heard)));
    let _peer = enter(&server, "ann").await;
    settle().await;
    assert_eq!(app.log.take(), ["ann"]);
}

#[tokio::test(start_paused = true)]
async fn several_hooks_see_an_envelope_in_order_until_one_stops_it() {
    let log = log();
    let hook = |number: u32| {
        let log = log.clone();
        async move |_: Conn, envelope: wse::codec::Envelope<'static>| {
            tokio::task::yield_now().await;
            log.add(format!("{number} {} {}", envelope.name, envelope.payload.decode::<Value>()?));
            if envelope.name == format!("stop-{number}") { Err(RpError::new(format!("by-{number}"))) } else { Ok(()) }
        }
    };
    let server = messaging(|builder| {
        builder.on_receive(hook(1)).on_receive(hook(2)).on_receive(hook(3)).register("pass", async |_, n: u32| Ok(n))
    });
    let (mut peer, _) = attach_to(&server, "wse-default-json");
    peer.enter("ann").await;
    assert_eq!(peer.call("pass", json!(7)).await, json!(["~wse:response", 7]));
    assert_eq!(log.take(), ["1 pass 7", "2 pass 7", "3 pass 7"]);
    let stopped = peer.call("stop-2", json!(null)).await;
    assert_eq!((&stopped[0], &stopped[1]["code"]), (&json!("~wse:response-err"), &json!("by-2")));
    assert_eq!(log.take(), ["1 stop-2 null", "2 stop-2 null"]);
    let mut bob = enter_messaging(&server, "bob").await;
    bob.emit("stop-1", json!([])).await;
    assert!(bob.text().await.contains("preprocessingError"));
    assert_eq!(log.take(), ["1 stop-1 []"]);
}

#[tokio::test(start_paused = true)]
#[expect(clippy::mutable_key_type, reason = "its hash is that of its number, which never changes")]
async fn a_device_is_a_key_of_maps() {
    let server = server(|builder| builder);
    let _peers = (enter(&server, "ann").await, enter(&server, "bob").await);
    let [ann, bob] = ["ann", "bob"].map(|name| server.user(name).conns().remove(0));
    let seats = HashMap::from([(ann.clone(), 1), (bob.clone(), 2)]);
    assert_eq!((seats.get(&server.user("ann").conns()[0]), seats[&bob]), (Some(&1), 2));
    assert_eq!(HashSet::from([ann.clone(), ann.clone(), bob]).len(), 2);
}
