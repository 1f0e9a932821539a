//! What a party's driver cannot do by itself: its client or server has to act on it.

use wse_proto::{Closed, Machine};

/// What the client or server has to act on.
pub(crate) enum Event<Q, O> {
    Asked(Q),
    Opened(O),
    Parked,
    Ended(Closed),
}

pub(crate) type EventOf<S> = Event<<S as Machine>::Question, <S as Machine>::Opening>;
