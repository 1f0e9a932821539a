//! Calls given up on every wire: those of this library hear of it in whatever form their codec has, those of
//! `ws-messaging` hear nothing.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use wse::{
    Backoff, Client, Conn, Protocol, RpError, Server, WsMessaging, cancellable,
    codec::{CustomCodec, EncodeError, Envelope, Payload, ProtocolError},
    with,
};
use wse_test::Net;
use wse_test_peers::{Log, attach_to, enter_messaging, log, messaging, settle};

const S: Duration = Duration::from_secs(1);

/// The three parts in lines.
struct Lines;

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let stamp = envelope.stamp.as_deref().unwrap_or_default();
        assert!(stamp.len() <= 16 || stamp.starts_with('{'), "no time stands in {stamp}");
        out.extend([envelope.name.as_bytes(), b"\n", stamp.as_bytes(), b"\n", envelope.payload.as_bytes()].concat());
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let text = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("no text"))?;
        let mut parts = text.splitn(3, '\n');
        let (Some(name), Some(stamp), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ProtocolError::new("no three lines"));
        };
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp: Some(stamp.into()) })
    }
}

struct Dropped(Arc<Log>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

async fn at_server(log: Arc<Log>, _: Conn, _: ()) -> Result<(), RpError> {
    let _dropped = Dropped(log, "server");
    std::future::pending().await
}

async fn at_client(log: Arc<Log>, _: Client, _: ()) -> Result<(), RpError> {
    let _dropped = Dropped(log, "client");
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn both_ends_hear_of_it_over_every_wire_that_has_it() {
    let all = || [Protocol::Wse, Protocol::WseMsgpack, Protocol::custom(Lines), WsMessaging::new().into()];
    for (number, protocol) in all().into_iter().enumerate() {
        let log = Arc::new(log());
        let server = Server::builder()
            .protocols(all())
            .identify(async |stranger, name: String| Ok(stranger.accept(name)))
            .register("search", cancellable(with(&log, at_server)))
            .register("echo", async |_, what: u32| Ok(what))
            .build();
        let net = Net::new(&server);
        let client = net.client().protocol(protocol).identity("ann").reconnect(Backoff::default());
        let client = client.register("search", cancellable(with(&log, at_client))).connect().await.unwrap();
        let conn = server.user("ann").conns().remove(0);
        let (there, back) =
            tokio::join!(client.call_within::<_, ()>(S, "search", ()), conn.call_within::<_, ()>(S, "search", ()));
        assert!(there.is_err() && back.is_err());
        settle().await;
        let mut told = log.take();
        told.sort();
        assert_eq!(told.is_empty(), number == 3, "{number}: {told:?}");
        assert!(number == 3 || told == ["client", "server"], "{number}: {told:?}");
        assert_eq!(client.call::<_, u32>("echo", 5).await.unwrap(), 5);
        client.close("").await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_of_ws_messaging_sees_nothing() {
    let server = messaging(|builder| builder.register("echo", async |_, what: Value| Ok(what)));
    let mut peer = enter_messaging(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    assert!(conn.call_within::<_, ()>(S, "rp", 1).await.is_err());
    assert_eq!(peer.json().await, json!({"name": "rp", "args": [1], "id": 1}));
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn in_messagepack_the_time_stands_in_the_stamp_too() {
    let server = messaging(|builder| builder.register("echo", async |_, what: Value| Ok(what)));
    let (mut peer, _) = attach_to(&server, "wse-msgpack");
    peer.pack(json!(["~wse:hi", {"identity": "ann", "can": ["time", "cancel"]}, null])).await;
    assert_eq!(peer.unpack().await[0], "~wse:welcome");
    let conn = server.user("ann").conns().remove(0);
    assert!(conn.call_within::<_, ()>(S, "rp", 1).await.is_err());
    let call = peer.unpack().await;
    let stamp = call[2].as_str().unwrap();
    assert_eq!(&stamp[16..], "~000003e8");
    assert_eq!(peer.unpack().await, json!(["~wse:cancel", null, stamp[..16]]));
    peer.pack(json!(["echo", 1, "AAAAAAAAAAAAAAAA~00000000"])).await;
    peer.pack(json!(["echo", 2, "AAAAAAAAAAAAAAAA~00000064"])).await;
    assert_eq!(peer.unpack().await, json!(["~wse:response", 2, "AAAAAAAAAAAAAAAA~00000064"]));
}
