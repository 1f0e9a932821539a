//! Typed names: what a message or procedure is called and what it carries, written once for both
//! sides. A name holds no state.

use std::{fmt, marker::PhantomData};

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

/// What names a message that carries a `P`: a [`Msg`], or a `&str` with any payload type.
pub trait Message<P> {
    /// The type on the wire.
    fn name(&self) -> &str;
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

impl<P, R> fmt::Debug for Rp<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rp({:?})", self.0)
    }
}
