//! Whatever a peer sends, before or after the welcome: its connection may end, the task never
//! panics, and nobody else notices.

use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits};
use wse_frame::Opcode;
use wse_test_peers::{attach_with, enter, frame, header, server, text};

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(text(r#"["~wse:hi",{"identity":"ann","meta":{}}]"#)),
        Just(text(r#"["~wse:hi",{"identity":17}]"#)),
        Just(text(r#"["m",{"a":[1,2]}]"#)),
        Just(text(r#"["m",null,"stamp"]"#)),
        Just(text(r#"["panic"]"#)),
        Just(text(r#"["panic",1,"stamp"]"#)),
        Just(text(r#"["~wse:response",1,"AAAAAAAAAAAAAAAA"]"#)),
        Just(text(r#"["~wse:response-err",{"code":1},""]"#)),
        Just(text(r#"["~wse:challenge",3]"#)),
        Just(frame(Opcode::Ping, b"ping")),
        Just(frame(Opcode::Pong, b"")),
        Just(frame(Opcode::Close, &1000u16.to_be_bytes())),
        Just(frame(Opcode::Continuation, b"]")),
        Just(frame(Opcode::Binary, b"[]")),
        (any::<u8>(), 0usize..100_000).prop_map(|(first, length)| header(first, length)),
        prop::collection::vec(any::<u8>(), 0..60),
        "[\\[\\]\"{}a-z,:0-9 ~]{0,30}".prop_map(|what| text(&what)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_input_panics_or_harms_another_connection(
        welcome in any::<bool>(),
        pieces in prop::collection::vec(piece(), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = server(|builder| {
                builder
                    .limits(Limits { conns_per_user: 9, ..Limits::default() })
                    .on("m", async |conn: Conn, what: Value| {
conn.send("m", what)?;
Ok(())
})
                    .on("panic", async |_, _: Value| panic!("as asked"))
                    .register("m", async |_, what: Value| Ok(what))
                    .register("panic", async |_, _: Value| -> Result<(), _> { panic!("as asked") })
            });
            let mut bystander = enter(&server, "bob").await;
            let (mut peer, ended) = attach_with(&server, 1 << 20, Request::new(()));
            if welcome {
                peer.enter("ann").await;
            }
            let bytes = pieces.concat();
            let (first, second) = bytes.split_at(if bytes.is_empty() { 0 } else { cut.index(bytes.len()) });
            peer.write(first).await;
            tokio::task::yield_now().await;
            peer.write(second).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(bystander.call("m", json!(7)).await, json!(["~wse:response", 7]));
            drop(peer);
            ended.await.expect("the task of a connection never panics");
            assert_eq!(server.conn_count(), 1);
        });
    }
}
