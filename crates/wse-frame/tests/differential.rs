//! The same streams through this decoder and through `tokio-websockets`: both must see the same messages and refuse the
//! same streams with the same code. May never excuse a difference that is not named here.
//!
//! Where the two differ knowingly, and we stay as we are:
//!
//! 1. Close codes 1016 to 2999: they take them. RFC 6455 section 7.4.2 keeps them for later revisions of the protocol,
//!    and the Autobahn suite (7.9) counts them as invalid: we refuse with 1002.
//! 2. A 64-bit length with its highest bit set: they call it too long, 1009. Section 5.2 says that the bit must be 0: we
//!    call it a protocol error, 1002.
//! 3. The size of a message in fragments: they look at it when a fragment has arrived, we at its header. So where we
//!    refuse with 1009, they may first find fault with the fragment's text (1007), or still wait for its end.
//! 4. A text whose last fragment is empty and that ends inside a char: they hand it out. It is not UTF-8 (section 8.1):
//!    we refuse with 1007.

mod streams;

use futures_util::StreamExt;
use proptest::{collection::vec, prelude::*};
use streams::{Seen, cut, read, streams};
use tokio::io::AsyncWriteExt;
use tokio_websockets::{ClientBuilder, Error, Message, ServerBuilder, WebSocketStream, proto::ProtocolError};
use wse_frame::{Decoder, FrameError, Limits, Role};

/// More than any control frame: they count those as well.
const LIMIT: usize = 300;

fn ours(masked: bool, message: usize, pieces: &[&[u8]]) -> (Vec<Seen>, Result<(), FrameError>) {
    let role = if masked { Role::Server } else { Role::Client };
    let limits = Limits { frame: LIMIT, message, fragments: usize::MAX };
    read(&mut Decoder::new(role, limits), pieces.iter().copied())
}

/// What they see, and the code they refuse with.
async fn theirs(masked: bool, bytes: &[u8]) -> (Vec<Seen>, Result<(), u16>) {
    let limits = tokio_websockets::Limits::default().max_payload_len(Some(LIMIT));
    let (mut peer, stream) = tokio::io::duplex(1 << 16);
    peer.write_all(bytes).await.expect("the pipe has room");
    peer.shutdown().await.expect("the pipe is open");
    let mut stream: WebSocketStream<_> = if masked {
        ServerBuilder::new().limits(limits).serve(stream)
    } else {
        ClientBuilder::new().limits(limits).take_over(stream)
    };
    let mut seen = Vec::new();
    let end = loop {
        match stream.next().await {
            Some(Ok(message)) => seen.push(kept(&message)),
            // At the end of the stream an unfinished frame is an I/O error: it is not refused.
            None | Some(Err(Error::Io(_))) => break Ok(()),
            Some(Err(Error::Protocol(ProtocolError::InvalidUtf8))) => break Err(1007),
            Some(Err(Error::Protocol(_))) => break Err(1002),
            Some(Err(Error::PayloadTooLong { .. })) => break Err(1009),
            Some(Err(other)) => panic!("{other}"),
        }
    };
    (seen, end)
}

fn kept(message: &Message) -> Seen {
    let payload = message.as_payload().to_vec(); // not `as_text`: see the fourth difference
    if message.is_text() {
        Seen::Text(payload)
    } else if message.is_binary() {
        Seen::Binary(payload)
    } else if message.is_ping() {
        Seen::Ping(payload)
    } else if message.is_pong() {
        Seen::Pong(payload)
    } else {
        Seen::Close(
            payload
                .split_first_chunk()
                .map(|(code, reason)| (u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned())),
        )
    }
}

/// Whether the two differ in one of the four ways above, in nothing else; `by_total` says whether it is the message that
/// is too big, and no frame of it.
fn is_known(
    (our_items, our_end): &(Vec<Seen>, Result<(), FrameError>),
    (their_items, their_end): &(Vec<Seen>, Result<(), u16>),
    by_total: impl FnOnce() -> bool,
) -> bool {
    let Some(more) = their_items.strip_prefix(&our_items[..]) else { return false };
    match (our_end, more, their_end) {
        (Err(FrameError::CloseCode(code @ 1016..=2999)), [Seen::Close(Some((read, _)))], Ok(())) => code == read,
        (Err(FrameError::LengthHighBit), [], Err(1009)) => true,
        (Err(FrameError::TooBig), [], Ok(()) | Err(1007)) => by_total(),
        (Err(FrameError::NotUtf8), [Seen::Text(text), ..], _) => std::str::from_utf8(text).is_err(),
        _ => false,
    }
}

fn compare(masked: bool, bytes: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let theirs = runtime.block_on(theirs(masked, bytes));
    let pieces = cut(bytes, sizes);
    let ours_by = |message| ours(masked, message, &pieces);
    let ours = ours_by(LIMIT);
    let by_total = || ours_by(usize::MAX).1 != Err(FrameError::TooBig);
    let same = ours.0 == theirs.0 && ours.1.map_err(|error| error.close_code()) == theirs.1;
    prop_assert!(same || is_known(&ours, &theirs, by_total), "ours {:?}\ntheirs {:?}", ours, theirs);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_decoders_agree_on_what_clients_send(bytes in streams(true), sizes in vec(1usize..80, 1..6)) {
        compare(true, &bytes, &sizes)?;
    }

    #[test]
    fn both_decoders_agree_on_what_servers_send(bytes in streams(false), sizes in vec(1usize..80, 1..6)) {
        compare(false, &bytes, &sizes)?;
    }
}
