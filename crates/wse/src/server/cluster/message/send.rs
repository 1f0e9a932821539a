//! A message for devices of another server.
//!
//! ```text
//! version u8 = 1 · flags u8 · [age] · [stamp: at u64, node u64] · name: sized text · forms u8 · forms × (form u8, sized)
//! flags   1: it ages, 2: the rooms it is for retain it; others are malformed
//! age     ms u64, all ones for none · length u32, all ones for none · text of what newer ones replace
//! form    1 to 4: the WebSocket frame of that codec, header and all, not masked:
//!         1 wse JSON, 2 wse MessagePack, 3 ws-messaging JSON, 4 ws-messaging MessagePack
//!         64: the payload as JSON, 65: the payload as MessagePack; others are left out
//! ```
//!
//! One of the forms 1, 2, 64 and 65 is always there: for a device that speaks something else the receiving server
//! makes the frame from it, and shows it to its hook. A frame is checked before it is queued: it is one whole frame
//! of that codec, a message of that name, and not larger than a queue.

use super::{
    bytes::{Parts, put_sized},
    forms::{Forms, wanted},
};
use crate::{
    app::names::Age,
    server::{
        Inner,
        users::{
            encoded::{
                Encoded,
                nodes::{known, spoken_of},
            },
            retained::Stamp,
        },
    },
};
use bytes::Bytes;
use wse_proto::{Codec, Format};

pub(super) const VERSION: u8 = 1;
const AGES: u8 = 1;
const RETAINED: u8 = 2;

/// Bytes of all forms of a message, beyond which it travels in one form only, and is encoded where it arrives.
const MANY: usize = 256 << 10;

/// What another server has sent.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) name: Box<str>,
    pub(crate) age: Option<Age>,
    /// For a message that rooms retain: which of two is the newer one.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) forms: Forms,
}

/// The bytes of a message for receivers that speak these codecs. `None` when it has no form for any of them, or has
/// been encoded by another server.
pub(crate) fn write(server: &Inner, message: &Encoded, codecs: u8, stamp: Option<Stamp>) -> Option<Bytes> {
    let sent = Sent {
        name: message.name().into(),
        age: message.age().cloned(),
        stamp,
        forms: forms(server, message, codecs)?,
    };
    Some(sent.write())
}

fn forms(server: &Inner, message: &Encoded, codecs: u8) -> Option<Forms> {
    let wanted = wanted(codecs, known(server));
    let mut forms = Forms::default();
    for (codec, spoken) in spoken_of(server, wanted.frames) {
        if let Ok(frame) = message.frame(server, spoken) {
            forms.add_frame(codec, frame.plain().clone());
        }
    }
    let add = |forms: &mut Forms, format| {
        let payload =
            message.payload(format).ok().filter(|payload| payload.as_bytes().len() <= server.env.limits.queue_bytes);
        payload.into_iter().for_each(|payload| forms.add_payload(payload));
    };
    if wanted.json {
        add(&mut forms, Format::Json);
    }
    if wanted.msgpack || wanted.json && !forms.is_exact() {
        add(&mut forms, Format::MessagePack);
    }
    if !forms.is_exact() {
        add(&mut forms, Format::Json);
    }
    if forms.total() > MANY {
        forms = forms.alone();
    }
    (forms.is_exact() && message.is_of(server)).then_some(forms)
}

impl Sent {
    pub(super) fn write(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.name.len() + self.forms.total());
        let flags = if self.age.is_some() { AGES } else { 0 } | if self.stamp.is_some() { RETAINED } else { 0 };
        out.extend_from_slice(&[VERSION, flags]);
        if let Some(age) = &self.age {
            age.write(&mut out);
        }
        if let Some(Stamp { at, node }) = self.stamp {
            out.extend_from_slice(&at.to_be_bytes());
            out.extend_from_slice(&node.number().to_be_bytes());
        }
        put_sized(&mut out, self.name.as_bytes());
        self.forms.write(&mut out);
        out.into()
    }

    /// Reads what another server has written. `None` when it is malformed.
    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let mut parts = Parts::of(bytes);
        let (VERSION, flags) = (parts.u8()?, parts.u8()?) else { return None };
        if flags & !(AGES | RETAINED) != 0 {
            return None;
        }
        let mut age = None;
        if flags & AGES != 0 {
            let rest = parts.rest();
            let (read, behind) = Age::read(&rest)?;
            age = Some(read);
            parts = Parts::of(&rest.slice(rest.len() - behind.len()..));
        }
        let stamp = match flags & RETAINED {
            0 => None,
            _ => Some(Stamp { at: parts.u64()?, node: parts.node()? }),
        };
        let name = parts.text()?;
        // Every wire of wse refuses these names, so a message that has one was made by somebody else.
        Codec::Json.can_name(&name).ok()?;
        let forms = Forms::read(&mut parts)?;
        parts.is_over().then_some(Sent { name, age, stamp, forms })
    }
}
