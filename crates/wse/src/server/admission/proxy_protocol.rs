//! The PROXY protocol, versions 1 and 2: the line or block in which a proxy says who has connected to it.
//! It is read to its end and no byte further.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const LONGEST_LINE: usize = 107;

/// The longest block of version 2: beyond the addresses it may hold certificates of TLS.
const LONGEST_BLOCK: usize = 4 << 10;

/// The fixed part of version 2.
const HEAD: usize = 16;

/// How far a header has come.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It has at least so many more bytes.
    More(usize),
    /// It has ended: the address of the client, or the proxy speaks for itself.
    Source(Option<IpAddr>),
}

/// It is no header, or a longer one than is read.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

/// Reads a header. `None` where the proxy speaks for itself, as it does to check whether the server is
/// there, and where the client has no IP address.
///
/// # Errors
/// [`InvalidData`](ErrorKind::InvalidData) for what is no header; any other error is the stream's.
pub(crate) async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> io::Result<Option<IpAddr>> {
    let mut header = Vec::new();
    loop {
        match parse(&header) {
            Ok(Progress::More(bytes)) => {
                let read = header.len();
                header.resize(read + bytes, 0);
                io.read_exact(&mut header[read..]).await?;
            }
            Ok(Progress::Source(source)) => return Ok(source),
            Err(Malformed) => return Err(ErrorKind::InvalidData.into()),
        }
    }
}

fn parse(header: &[u8]) -> Result<Progress, Malformed> {
    // "PROXY UNKNOWN" with its end is longer than the signature too.
    let Some((start, _)) = header.split_first_chunk::<{ SIGNATURE.len() }>() else {
        return Ok(Progress::More(SIGNATURE.len() - header.len()));
    };
    if start == SIGNATURE { parse_block(header) } else { parse_line(header) }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443`.
fn parse_line(header: &[u8]) -> Result<Progress, Malformed> {
    if !header.starts_with(b"PROXY ") {
        return Err(Malformed);
    }
    let Some(line) = header.strip_suffix(b"\r\n") else {
        let missing = if header.ends_with(b"\r") { 1 } else { 2 };
        return if header.len() + missing > LONGEST_LINE { Err(Malformed) } else { Ok(Progress::More(missing)) };
    };
    let words: Vec<&str> = str::from_utf8(line).map_err(|_| Malformed)?.split(' ').collect();
    let source: IpAddr = match words[..] {
        [_, "UNKNOWN", ..] => return Ok(Progress::Source(None)),
        [_, "TCP4", source, _, _, _] => source.parse::<Ipv4Addr>().map_err(|_| Malformed)?.into(),
        [_, "TCP6", source, _, _, _] => source.parse::<Ipv6Addr>().map_err(|_| Malformed)?.into(),
        _ => return Err(Malformed),
    };
    Ok(Progress::Source(Some(source)))
}

/// Version and command, family and transport, a length, and so many bytes: addresses, then what is
/// skipped.
fn parse_block(header: &[u8]) -> Result<Progress, Malformed> {
    let Some((head, body)) = header.split_at_checked(HEAD) else {
        return Ok(Progress::More(HEAD - header.len()));
    };
    let &[.., command, family, high, low] = head else { return Err(Malformed) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if HEAD + length > LONGEST_BLOCK || !matches!(command, 0x20 | 0x21) {
        return Err(Malformed);
    }
    if body.len() < length {
        return Ok(Progress::More(length - body.len()));
    }
    let source = match (command, family) {
        (0x21, 0x11) if length >= 12 => body.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        (0x21, 0x21) if length >= 36 => body.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        (0x21, 0x11 | 0x21) => return Err(Malformed),
        _ => None, // the proxy itself, or a client without an address of TCP
    };
    Ok(Progress::Source(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a header says, read as `read` reads it, and how much of it was read.
    fn header(bytes: &[u8]) -> (Result<Option<String>, Malformed>, usize) {
        let mut read = 0;
        loop {
            match parse(&bytes[..read]) {
                Ok(Progress::More(more)) => read += more,
                Ok(Progress::Source(source)) => return (Ok(source.map(|source| source.to_string())), read),
                Err(error) => return (Err(error), read),
            }
            assert!(read <= bytes.len(), "it reads further than the header goes");
        }
    }

    fn block(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, body].concat()
    }

    #[test]
    fn a_line_of_version_1_names_the_client() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", Some("192.0.2.1")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n", Some("2001:db8::1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ] {
            let found = header(&[line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat());
            assert_eq!(found, (Ok(source.map(str::to_owned)), line.len()), "{line:?}");
        }
    }

    #[test]
    fn what_is_no_header_or_too_long_is_malformed() {
        for bytes in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n",
            "PROXY TCP4 ::1 ::2 4711 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 4711 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 4711 443\r\n",
            "PROXY\tTCP4 192.0.2.1 198.51.100.1 4711 443\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.1 4711 443\r\n",
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\0\0\0\0\0", // TLS
        ] {
            assert_eq!(header(bytes.as_bytes()).0, Err(Malformed), "{bytes:?}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
        let (malformed, read) = header(endless.as_bytes());
        assert_eq!((malformed, read <= LONGEST_LINE), (Err(Malformed), true));
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LONGEST_LINE - 16));
        assert_eq!(header(longest.as_bytes()), (Ok(None), LONGEST_LINE));
    }

    #[test]
    fn a_block_of_version_2_names_the_client_and_what_follows_its_addresses_is_skipped() {
        let four = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 1, 0xbb];
        let six: Vec<u8> = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]; 2].concat();
        let six = [&six[..], &[0x12, 0x67, 1, 0xbb]].concat();
        let extra = [&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (command, family, body, source) in [
            (0x21, 0x11, &four[..], Some("192.0.2.1")),
            (0x21, 0x11, &extra, Some("192.0.2.1")),
            (0x21, 0x21, &six, Some("2001:db8::1")),
            (0x20, 0x11, &four, None), // LOCAL
            (0x20, 0x00, &[], None),
            (0x21, 0x00, &[1, 2, 3], None), // UNSPEC
            (0x21, 0x31, &[0; 216], None),  // a Unix socket
            (0x21, 0x12, &four, None),      // UDP
        ] {
            let bytes = block(command, family, body);
            let found = header(&[&bytes[..], b"GET / HTTP/1.1\r\n"].concat());
            assert_eq!(found, (Ok(source.map(str::to_owned)), bytes.len()), "{command:x} {family:x}");
        }
        for malformed in [block(0x11, 0x11, &four), block(0x22, 0x11, &four), block(0x21, 0x11, &four[1..])] {
            assert_eq!(header(&malformed).0, Err(Malformed), "{malformed:?}");
        }
        assert_eq!(header(&block(0x21, 0x21, &four)).0, Err(Malformed));
    }

    #[test]
    fn a_block_that_is_too_long_is_refused_before_it_is_read() {
        let (fits, beyond) = (LONGEST_BLOCK - HEAD, LONGEST_BLOCK - HEAD + 1);
        assert_eq!(header(&block(0x20, 0, &vec![0; fits])), (Ok(None), LONGEST_BLOCK));
        assert_eq!(header(&block(0x20, 0, &vec![0; beyond])), (Err(Malformed), HEAD));
    }

    proptest! {
        #[test]
        fn whatever_comes_the_header_ends_within_its_bound_and_nothing_behind_it_is_read(
            start in prop_oneof![Just(&SIGNATURE[..]), Just(&b"PROXY TCP4 "[..]), Just(&b""[..])], rest: Vec<u8>,
        ) {
            let mut bytes = [start, &rest].concat();
            bytes.resize(bytes.len().max(1 << 17), b'\n');
            let (_, read) = header(&bytes);
            prop_assert!(read <= LONGEST_BLOCK);
        }

        #[test]
        fn every_address_is_read_back_and_no_cut_of_its_header_is_one(
            octets: [u8; 4], wide: [u8; 16], ports: (u16, u16), cut: prop::sample::Index,
        ) {
            let (four, six) = (IpAddr::from(octets), IpAddr::from(wide));
            let lines = [("TCP4", four), ("TCP6", six)].map(|(family, source)| {
                (format!("PROXY {family} {source} {source} {} {}\r\n", ports.0, ports.1).into_bytes(), source)
            });
            let blocks = [
                (block(0x21, 0x11, &[&octets[..], &[0; 8]].concat()), four),
                (block(0x21, 0x21, &[&wide[..], &[0; 20]].concat()), six),
            ];
            for (bytes, source) in lines.into_iter().chain(blocks) {
                prop_assert_eq!(header(&bytes), (Ok(Some(source.to_string())), bytes.len()));
                let cut = cut.index(bytes.len());
                prop_assert!(matches!(parse(&bytes[..cut]), Ok(Progress::More(more)) if more <= bytes.len() - cut));
            }
        }
    }
}
