//! HTTP/1 as far as one request a connection needs it: the head of the request, and the answer to it. A
//! body is never read. hyper would do the same for 6,300 of 62,000 instructions more, and 7 KiB until the
//! verdict.

use crate::server::admission::upgrade::HttpAnswer;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header, request::Parts};
use http_body_util::BodyExt;
use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
    time::SystemTime,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most requests fit in so many bytes. The buffer is kept until the verdict, since the headers share it.
const FIRST: usize = 1 << 10;

/// So many headers a request may have.
const HEADERS: usize = 100;

/// The longest target of a request that the type of [`Uri`] can hold.
const TARGET: usize = u16::MAX as usize - 1;

/// Why there is no request.
#[derive(Debug)]
pub(crate) enum Unread {
    /// What came is no request, or too large a one. It is answered with this status.
    Refused(StatusCode),
    /// The stream has failed or ended.
    Stream(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Unread::Stream(error)
    }
}

impl From<StatusCode> for Unread {
    fn from(status: StatusCode) -> Self {
        Unread::Refused(status)
    }
}

/// Reads a head of at most so many bytes. Returns it with what was read behind it.
pub(crate) async fn read<IO>(io: &mut IO, most: usize) -> Result<(Parts, Vec<u8>), Unread>
where
    IO: AsyncRead + Unpin,
{
    let (mut buffer, mut filled) = (vec![0; FIRST.min(most)], 0);
    loop {
        if filled == most {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into());
        }
        if filled == buffer.len() {
            buffer.resize((2 * filled).min(most), 0);
        }
        let before = filled;
        filled += io.read(&mut buffer[before..]).await?;
        if filled == before {
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        // What comes in small pieces is not parsed at each: a look for its end is enough. The first one is
        // parsed, so that what is no HTTP is refused at once.
        if before > 0 && !may_end_in(&buffer[before.saturating_sub(3)..filled]) {
            continue;
        }
        let capacity = buffer.len();
        buffer.truncate(filled);
        let bytes = Bytes::from(buffer);
        match parse(&bytes)? {
            Some((head, length)) => return Ok((head, bytes[length..].to_vec())),
            None => buffer = bytes.into(),
        }
        buffer.resize(capacity, 0);
    }
}

/// Whether an empty line ends in these bytes.
fn may_end_in(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|two| two == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// A head and its length; `None` where more has to come.
fn parse(bytes: &Bytes) -> Result<Option<(Parts, usize)>, StatusCode> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    let length = match parsed.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(_) => return Err(StatusCode::BAD_REQUEST),
    };
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    if target.len() > TARGET {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let bad = StatusCode::BAD_REQUEST;
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(method.as_bytes()).map_err(|_| bad)?;
    head.uri = Uri::from_maybe_shared(bytes.slice_ref(target.as_bytes())).map_err(|_| bad)?;
    head.version = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    head.headers.reserve(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| bad)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value)).map_err(|_| bad)?;
        head.headers.append(name, value);
    }
    if has_readable_length(&head.headers, head.version) { Ok(Some((head, length))) } else { Err(bad) }
}

/// Whether all would agree on how long the request's body is (RFC 9112 section 6.3).
fn has_readable_length(headers: &HeaderMap, version: Version) -> bool {
    if let Some(coding) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back() {
        let last = coding.to_str().unwrap_or_default().rsplit(',').next().unwrap_or_default();
        return version == Version::HTTP_11 && last.trim().eq_ignore_ascii_case("chunked");
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return true };
    let digits = first.as_bytes().iter().all(u8::is_ascii_digit);
    let number = first.to_str().is_ok_and(|length| length.parse::<u64>().is_ok());
    digits && number && lengths.all(|length| length == first)
}

/// Writes the answer to a request of that method.
pub(crate) async fn write<IO>(io: &mut IO, method: &Method, answer: HttpAnswer) -> io::Result<()>
where
    IO: AsyncWrite + Unpin,
{
    let (head, body) = answer.into_parts();
    let Ok(body) = body.collect().await.map(|body| body.to_bytes());
    let mut out = Vec::with_capacity(256 + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.status.canonical_reason().unwrap_or("Refused").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in &head.headers {
        put_header(&mut out, name, value.as_bytes());
    }
    let has_body = !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !head.status.is_informational() {
        if has_body {
            put_header(&mut out, &header::CONTENT_LENGTH, body.len().to_string().as_bytes());
        }
        put_header(&mut out, &header::DATE, httpdate::fmt_http_date(SystemTime::now()).as_bytes());
        put_header(&mut out, &header::CONNECTION, b"close");
    }
    out.extend_from_slice(b"\r\n");
    if has_body && method != Method::HEAD {
        out.extend_from_slice(&body);
    }
    io.write_all(&out).await?;
    io.flush().await
}

fn put_header(out: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::admission::upgrade::one_line;
    use http_body_util::Full;
    use hyper::{body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use proptest::prelude::*;
    use std::convert::Infallible;
    use tokio::runtime;

    const MOST: usize = 8 << 10;

    /// What was read of a request: its parts as a text, or the status it is refused with; 0 where its
    /// sender left.
    type Got = Result<String, u16>;

    fn shown(head: &Parts) -> String {
        format!("{} {} {:?} {:?}", head.method, head.uri, head.version, head.headers)
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Reads pieces that arrive one after the other.
    fn ours(pieces: &[&[u8]]) -> (Got, Vec<u8>) {
        block_on(async {
            let (mut near, mut far) = tokio::io::duplex(1 << 20);
            let sending = async {
                for piece in pieces {
                    near.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(near);
            };
            let ((), read) = tokio::join!(sending, read(&mut far, MOST));
            match read {
                Ok((head, behind)) => (Ok(shown(&head)), behind),
                Err(Unread::Refused(status)) => (Err(status.as_u16()), Vec::new()),
                Err(Unread::Stream(error)) => {
                    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                    (Err(0), Vec::new())
                }
            }
        })
    }

    /// The same by hyper.
    fn hypers(bytes: &[u8]) -> Got {
        block_on(async {
            let (mut near, far) = tokio::io::duplex(1 << 20);
            near.write_all(bytes).await.unwrap();
            near.shutdown().await.unwrap();
            let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
            let service = service_fn(move |request: Request<Incoming>| {
                let _ = tell.send(shown(&request.into_parts().0));
                async { Ok::<_, Infallible>(http::Response::new(Full::<Bytes>::default())) }
            });
            let _ = http1::Builder::new().max_buf_size(MOST).serve_connection(TokioIo::new(far), service).await;
            if let Ok(head) = told.try_recv() {
                return Ok(head);
            }
            let mut answer = String::new();
            let _ = near.read_to_string(&mut answer).await;
            Err(answer.split(' ').nth(1).map_or(0, |status| status.parse().unwrap()))
        })
    }

    #[test]
    fn a_head_comes_in_pieces_and_what_follows_it_is_kept() {
        let request = b"\r\nGET /ws?room=7 HTTP/1.1\r\nHost: x\r\nCookie: a\r\ncookie: b\r\n\r\nframes";
        let (whole, behind) = ours(&[request]);
        assert_eq!((whole.as_ref().unwrap(), &behind[..]), (&hypers(request).unwrap(), &b"frames"[..]));
        for size in 1..request.len() {
            let pieces: Vec<&[u8]> = request.chunks(size).collect();
            let (got, behind) = ours(&pieces);
            assert_eq!(got, whole, "{size}");
            assert!(b"frames".starts_with(&behind), "{size}");
        }
    }

    #[test]
    fn a_head_may_have_so_many_bytes_and_headers_and_no_more() {
        let filled = |bytes: usize| format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(bytes - 23));
        assert!(ours(&[filled(MOST).as_bytes()]).0.is_ok());
        assert_eq!(ours(&[filled(MOST + 1).as_bytes()]).0, Err(431));
        let headers = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(count));
        assert!(ours(&[headers(HEADERS).as_bytes()]).0.is_ok());
        assert_eq!(ours(&[headers(HEADERS + 1).as_bytes()]).0, Err(431));
    }

    #[test]
    fn the_answer_to_head_has_no_body_and_one_without_content_no_length() {
        let written = |method, status| {
            let mut out = Vec::new();
            block_on(write(&mut out, &method, one_line(status, "text"))).unwrap();
            String::from_utf8(out).unwrap()
        };
        let got = written(Method::GET, StatusCode::IM_A_TEAPOT);
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "text\n");
        assert!(head.starts_with("HTTP/1.1 418 I'm a teapot\r\ncontent-type: text/plain"), "{head}");
        assert!(head.contains("\r\ncontent-length: 5\r\ndate: ") && head.ends_with("\r\nconnection: close"), "{head}");
        let headless = written(Method::HEAD, StatusCode::IM_A_TEAPOT);
        assert_eq!(headless.split_once("date").unwrap().0, got.split_once("date").unwrap().0);
        assert!(headless.ends_with("\r\n\r\n"));
        let empty = written(Method::GET, StatusCode::NO_CONTENT);
        assert!(!empty.contains("content-length") && empty.ends_with("\r\n\r\n"), "{empty}");
    }

    /// Parts of heads, good and bad.
    const PARTS: [&str; 34] = [
        "GET",
        "POST",
        "G\u{7f}T",
        " ",
        "  ",
        "\t",
        "/",
        "/a?b#c",
        "*",
        "http://x/y",
        "x:1",
        "//",
        "/\u{e4}",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2.0",
        "HTTP/1.2",
        "\r\n",
        "\n",
        "\r",
        "Host",
        ":",
        ": ",
        "x",
        "a b",
        "\0",
        "Content-Length",
        "1",
        "-1",
        "18446744073709551616",
        "Transfer-Encoding",
        "chunked",
        "gzip, chunked",
        "identity",
    ];

    proptest! {
        #[test]
        fn what_hyper_reads_is_read_alike_and_what_it_refuses_is_refused(
            parts in proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..12),
            start in proptest::sample::select(&["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "GET / HTTP/1.1\r\nContent-Length: 1\r\n"][..]),
        ) {
            let request = format!("{start}{}\r\n\r\n", parts.concat());
            let (hypers, (ours, _)) = (hypers(request.as_bytes()), ours(&[request.as_bytes()]));
            // Of what hyper refuses it answers some not at all.
            let alike = ours == hypers || matches!((&ours, &hypers), (Err(400), Err(0)));
            prop_assert!(alike, "{:?}: {:?}, hyper {:?}", request, ours, hypers);
        }
    }
}
