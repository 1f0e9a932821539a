//! Typed names: what a message or procedure is called and what it carries, written once for both
//! sides. A name holds no state.

use std::{borrow::Cow, fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::time::Instant;
use wse_proto::FrameAge;

/// The name of a message and the type of its payload.
///
/// ```
/// const SAY: wse::Msg<String> = wse::Msg::new("say");
/// ```
pub struct Msg<P>(&'static str, PhantomData<fn(P)>);

impl<P> Msg<P> {
    /// Names a message. The names of the protocol's own types (`~wse:hi` and the like) cannot be
    /// sent, nor, to a device that speaks `ws-messaging`, those that mean something there (`close`,
    /// `connect`, `error`, `open`, `pong`, `retry`).
    pub const fn new(name: &'static str) -> Self {
        Msg(name, PhantomData)
    }

    /// The type on the wire.
    pub const fn name(&self) -> &'static str {
        self.0
    }

    /// A message of which only the newest of each key counts: while one of this name and key waits to be sent,
    /// the newer takes its place. So a peer that reads slowly, or comes out of a tunnel, gets the newest, and
    /// not all before it. Others that were sent in between may come after it.
    ///
    /// ```
    /// # fn example(conn: wse::Conn) -> Result<(), wse::SendError> {
    /// const MOVED: wse::Msg<(f64, f64)> = wse::Msg::new("moved");
    /// conn.send(MOVED.latest("taxi 7"), (52.5, 13.4))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn latest(self, key: impl fmt::Display) -> Aged<P> {
        Aged::new(self.0).latest(key)
    }

    /// A message that is not sent any more once so much time has passed since it was queued.
    ///
    /// ```
    /// # fn example(conn: wse::Conn) -> Result<(), wse::SendError> {
    /// const OFFER: wse::Msg<u64> = wse::Msg::new("offer");
    /// conn.send(OFFER.ttl(std::time::Duration::from_secs(10)), 17)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn ttl(self, ttl: Duration) -> Aged<P> {
        Aged::new(self.0).ttl(ttl)
    }
}

/// A message that ages: the name of a message, and how long it counts. [`Msg::latest`] and [`Msg::ttl`] make it.
pub struct Aged<P> {
    name: Cow<'static, str>,
    age: Age,
    payload: PhantomData<fn(P)>,
}

impl<P> Aged<P> {
    /// For a name that is no [`Msg`], such as one that is made at run time. It does not age yet.
    ///
    /// ```
    /// # fn example(conn: wse::Conn, room: &str) -> Result<(), wse::SendError> {
    /// use wse::aging::Aged;
    /// conn.send(Aged::new(format!("moved in {room}")).latest("taxi 7"), (52.5, 13.4))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Aged { name: name.into(), age: Age::default(), payload: PhantomData }
    }

    /// As [`Msg::latest`].
    pub fn latest(mut self, key: impl fmt::Display) -> Self {
        // The length keeps name and key apart, whatever they hold.
        self.age.latest = Some(format!("{}:{}{key}", self.name.len(), self.name).into());
        self
    }

    /// As [`Msg::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.age.ttl = Some(ttl);
        self
    }
}

/// How a message ages: what its newer ones replace, and how long it counts.
#[derive(Clone, Debug, Default)]
pub struct Age {
    /// Messages of the same text replace each other.
    pub(crate) latest: Option<Arc<str>>,
    pub(crate) ttl: Option<Duration>,
}

impl Age {
    /// The age of a frame that is queued now.
    pub(crate) fn of_frame(&self) -> FrameAge {
        let until = self.ttl.and_then(|ttl| Instant::now().checked_add(ttl)).map(Instant::into_std);
        FrameAge { latest: self.latest.clone(), until, told: false }
    }

    /// Writes it, to be read by another process: the milliseconds, then the length of the text and the text. All
    /// ones stand for none.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let millis = self.ttl.map_or(u64::MAX, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let length = self.latest.as_ref().and_then(|latest| u32::try_from(latest.len()).ok());
        out.extend_from_slice(&millis.to_be_bytes());
        out.extend_from_slice(&length.unwrap_or(u32::MAX).to_be_bytes());
        if let (Some(latest), Some(_)) = (&self.latest, length) {
            out.extend_from_slice(latest.as_bytes());
        }
    }

    /// Reads what [`write`](Self::write) wrote, and returns what stands behind it.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (millis, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let ttl = Some(u64::from_be_bytes(*millis)).filter(|millis| *millis < u64::MAX).map(Duration::from_millis);
        let length = Some(u32::from_be_bytes(*length)).filter(|length| *length < u32::MAX);
        let Some(length) = length else { return Some((Age { latest: None, ttl }, rest)) };
        let (latest, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        Some((Age { latest: Some(std::str::from_utf8(latest).ok()?.into()), ttl }, rest))
    }
}

/// The name of a procedure, the type of its argument and of its result.
///
/// ```
/// const ADD: wse::Rp<(i64, i64), i64> = wse::Rp::new("add");
/// ```
pub struct Rp<P, R>(&'static str, PhantomData<fn(P) -> R>);

impl<P, R> Rp<P, R> {
    /// Names a procedure.
    pub const fn new(name: &'static str) -> Self {
        Rp(name, PhantomData)
    }

    /// The name on the wire.
    pub const fn name(&self) -> &'static str {
        self.0
    }
}

/// What names a message that carries a `P`: a [`Msg`], one that [ages](Msg::latest), or a `&str` with any payload
/// type.
pub trait Message<P> {
    /// The type on the wire.
    fn name(&self) -> &str;

    /// How it ages; `None` for a message that does not.
    fn age(&self) -> Option<&Age> {
        None
    }
}

/// What names a procedure from `P` to `R`: an [`Rp`], or a `&str` with any types.
pub trait Procedure<P, R> {
    /// The name on the wire.
    fn name(&self) -> &str;
}

impl<P> Message<P> for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<P> Message<P> for Msg<P> {
    fn name(&self) -> &str {
        self.0
    }
}

impl<P> Message<P> for Aged<P> {
    fn name(&self) -> &str {
        &self.name
    }

    fn age(&self) -> Option<&Age> {
        Some(&self.age)
    }
}

impl<P, R> Procedure<P, R> for &str {
    fn name(&self) -> &str {
        self
    }
}

impl<P, R> Procedure<P, R> for Rp<P, R> {
    fn name(&self) -> &str {
        self.0
    }
}

impl<P> Clone for Msg<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Msg<P> {}

impl<P> Clone for Aged<P> {
    fn clone(&self) -> Self {
        Aged { name: self.name.clone(), age: self.age.clone(), payload: PhantomData }
    }
}

impl<P, R> Clone for Rp<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for Rp<P, R> {}

impl<P> fmt::Debug for Msg<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Msg({:?})", self.0)
    }
}

impl<P> fmt::Debug for Aged<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aged").field("name", &self.name).field("age", &self.age).finish()
    }
}

impl<P, R> fmt::Debug for Rp<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rp({:?})", self.0)
    }
}
