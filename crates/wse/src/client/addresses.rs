//! Connects to the first address of a host that answers (RFC 8305): families in turn, and the next
//! address 250 ms after the last. It must never leave a connection behind that came second.

use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::net::{TcpStream, lookup_host};

/// How long an address has to itself before the next one is tried beside it (RFC 8305 section 5).
const DELAY: Duration = Duration::from_millis(250);

/// So many addresses of a host are tried.
const ADDRESSES: usize = 16;

/// The addresses that an attempt has tried.
#[derive(Default)]
pub(crate) struct Tried(Mutex<Vec<SocketAddr>>);

impl Tried {
    fn add(&self, addr: SocketAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(addr);
    }

    /// They, with commas; `None` where none was tried.
    pub(crate) fn list(&self) -> Option<String> {
        let tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tried: Vec<String> = tried.iter().map(SocketAddr::to_string).collect();
        (!tried.is_empty()).then(|| tried.join(", "))
    }
}

/// Connects to a host. The error tells of every address.
pub(crate) async fn connect(host: &str, port: u16, tried: &Tried) -> io::Result<TcpStream> {
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|error| io::Error::new(error.kind(), format!("{host} was not found: {error}")))?;
    let tcp = race(interleaved(found.collect()), TcpStream::connect, tried).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}

/// The addresses in the order in which they are tried: the families take turns, that of the first begins.
fn interleaved(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = found.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = found.into_iter().partition(|addr| addr.is_ipv6() == first);
    let longest = one.len().max(other.len());
    let turns = (0..longest).flat_map(|turn| [one.get(turn), other.get(turn)]);
    turns.flatten().copied().take(ADDRESSES).collect()
}

/// The first connection that stands. The others are dropped.
async fn race<S, Fut>(addrs: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> Fut, tried: &Tried) -> io::Result<S>
where
    Fut: Future<Output = io::Result<S>>,
{
    let mut waiting = addrs.into_iter();
    let (mut running, mut failed) = (FuturesUnordered::new(), Vec::new());
    loop {
        if let Some(addr) = waiting.next() {
            tried.add(addr);
            let connecting = connect(addr);
            running.push(async move { (addr, connecting.await) });
        }
        tokio::select! {
            ended = running.next() => match ended {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((addr, Err(error))) => failed.push((addr, error)),
                None => return Err(all_failed(&failed)),
            },
            () = tokio::time::sleep(DELAY), if waiting.len() > 0 => {}
        }
    }
}

fn all_failed(failed: &[(SocketAddr, io::Error)]) -> io::Error {
    let Some((_, last)) = failed.last() else {
        return io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    };
    let each: Vec<String> = failed.iter().map(|(addr, error)| format!("{addr}: {error}")).collect();
    io::Error::new(last.kind(), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::Instant;

    fn addrs(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    const A: &str = "[2001:db8::a]:1";
    const B: &str = "[2001:db8::b]:1";
    const C: &str = "192.0.2.3:1";
    const D: &str = "192.0.2.4:1";

    #[test]
    fn the_families_take_turns_and_the_resolver_says_which_begins() {
        for (found, order) in [
            (vec![A, B, C, D], vec![A, C, B, D]),
            (vec![C, A, B], vec![C, A, B]),
            (vec![C, D], vec![C, D]),
            (vec![], vec![]),
        ] {
            assert_eq!(interleaved(addrs(&found)), addrs(&order), "{found:?}");
        }
        assert_eq!(interleaved(vec![addrs(&[A])[0]; 99]).len(), 16);
    }

    /// What one address does: connects or fails after so many milliseconds, or never.
    #[derive(Clone, Copy)]
    enum Does {
        Connect(u64),
        Fail(u64),
        Hang,
    }

    /// The address that wins a race, or the error; and how long it took.
    async fn raced(does: &[(&str, Does)]) -> (Result<SocketAddr, String>, Duration, String) {
        let (tried, start) = (Tried::default(), Instant::now());
        let order = addrs(&does.iter().map(|(addr, _)| *addr).collect::<Vec<_>>());
        let connect = |addr: SocketAddr| {
            let does = does[order.iter().position(|other| *other == addr).expect("one of them")].1;
            async move {
                match does {
                    Does::Connect(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                    Does::Fail(ms) => {
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                        return Err(io::ErrorKind::ConnectionRefused.into());
                    }
                    Does::Hang => pending().await,
                }
                Ok(addr)
            }
        };
        let won = race(order.clone(), connect, &tried).await;
        (won.map_err(|error| error.to_string()), start.elapsed(), tried.list().unwrap_or_default())
    }

    fn near(time: Duration, ms: u64) -> bool {
        time.abs_diff(Duration::from_millis(ms)) < Duration::from_millis(5)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_hangs_costs_a_quarter_of_a_second() {
        let (won, time, tried) = raced(&[(A, Does::Hang), (C, Does::Connect(20)), (B, Does::Connect(0))]).await;
        assert_eq!((won, tried), (Ok(addrs(&[C])[0]), format!("{A}, {C}")));
        assert!(near(time, 270), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_costs_nothing_and_one_that_is_slow_may_still_win() {
        let (won, time, _) = raced(&[(A, Does::Fail(0)), (C, Does::Connect(10))]).await;
        assert_eq!(won, Ok(addrs(&[C])[0]));
        assert!(near(time, 10), "{time:?}");
        let (won, time, _) = raced(&[(A, Does::Connect(300)), (C, Does::Hang), (B, Does::Hang)]).await;
        assert_eq!(won, Ok(addrs(&[A])[0]));
        assert!(near(time, 300), "{time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_tells_of_every_address() {
        let (won, _, _) = raced(&[(A, Does::Fail(300)), (C, Does::Fail(0))]).await;
        assert_eq!(won, Err(format!("{C}: connection refused, {A}: connection refused")));
        assert_eq!(raced(&[]).await.0, Err("the host has no address".to_owned()));
    }
}
