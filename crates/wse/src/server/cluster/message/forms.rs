//! The forms in which a message travels: ready frames for what the receivers speak, and the payload alone for
//! those who have to encode it themselves.

use super::bytes::{Parts, json, msgpack, put_sized};
use crate::{error::SendError, server::cluster::codecs::number_of};
use bytes::Bytes;
use wse_frame::{Frame, Opcode};
use wse_proto::{Codec, EncodeError, Envelope, Format, Payload};

/// The number of the form that is the payload as JSON. Those below are frames of the codecs of these numbers.
const JSON: u8 = 64;
/// The payload as MessagePack.
const MESSAGE_PACK: u8 = 65;

/// Codecs whose frames are known: 1 to 4.
const CODECS: usize = 4;

/// A frame shorter than this is copied out of the bytes that it came in. So a device that reads slowly keeps
/// no more than what it is to get, and never a datagram of messages for others.
const COPIED: usize = 16 << 10;

/// The forms of one message, which say the same. One of them is exact: from it every other can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forms {
    /// A whole WebSocket frame for each codec, as its server would have made it.
    frames: [Option<Bytes>; CODECS],
    json: Option<Bytes>,
    msgpack: Option<Bytes>,
}

/// The forms that receivers need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Frames for the codecs whose bits are set.
    pub(crate) frames: u8,
    /// The payload as JSON.
    pub(crate) json: bool,
    /// The payload as MessagePack.
    pub(crate) msgpack: bool,
}

/// What receivers need that speak these codecs, of a server that has those which are `known`. Each set has a bit for
/// each number.
///
/// Who has a codec that this server has not (one of the application, one of another version) encodes the
/// message anew. The frames of `ws-messaging` do not say whether a list was one of arguments, so one of the others
/// goes with them.
pub(crate) fn wanted(spoken: u8, known: u8) -> Wanted {
    const OF_JSON: u8 = 1 << 1;
    const OF_MESSAGE_PACK: u8 = 1 << 2;
    const BINARY: u8 = OF_MESSAGE_PACK | 1 << 4;
    let frames = spoken & known & 0b1_1110;
    let missing = spoken & !frames;
    let msgpack = missing & BINARY != 0 && frames & OF_MESSAGE_PACK == 0;
    let json = missing & !BINARY != 0 && frames & OF_JSON == 0;
    if json || msgpack || frames & (OF_JSON | OF_MESSAGE_PACK) != 0 {
        return Wanted { frames, json, msgpack };
    }
    let msgpack = frames & BINARY != 0;
    Wanted { frames, json: !msgpack, msgpack }
}

impl Forms {
    /// Adds a frame for the codec of that number. Others than 1 to 4 have none.
    pub(crate) fn add_frame(&mut self, codec: u8, frame: Bytes) {
        if let Some(slot) = slot(&mut self.frames, codec) {
            *slot = Some(frame);
        }
    }

    pub(crate) fn add_payload(&mut self, payload: &Payload<'_>) {
        let slot = if payload.format() == Format::Json { &mut self.json } else { &mut self.msgpack };
        *slot = Some(Bytes::copy_from_slice(payload.as_bytes()));
    }

    /// Whether it has a form from which every other can be made.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact().next().is_some()
    }

    /// The same with one form only, that from which every other can be made: MessagePack has everything that
    /// JSON has, and binary data besides.
    pub(crate) fn alone(self) -> Self {
        let Forms { frames: [of_json, of_msgpack, ..], json, msgpack } = self;
        let mut alone = Forms::default();
        match (msgpack, of_msgpack, json) {
            (Some(msgpack), ..) => alone.msgpack = Some(msgpack),
            (None, Some(frame), _) => alone.frames[1] = Some(frame),
            (None, None, Some(json)) => alone.json = Some(json),
            (None, None, None) => alone.frames[0] = of_json,
        }
        alone
    }

    fn exact(&self) -> impl Iterator<Item = &Bytes> {
        let [of_json, of_msgpack, ..] = &self.frames;
        [&self.msgpack, &self.json, of_json, of_msgpack].into_iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn frame_of(&self, codec: usize) -> &Bytes {
        self.frames[codec - 1].as_ref().expect("a frame")
    }

    /// The bytes of the largest form.
    pub(crate) fn size(&self) -> usize {
        self.all().map(|(_, bytes)| bytes.len()).max().unwrap_or(0)
    }

    /// The bytes of all forms.
    pub(crate) fn total(&self) -> usize {
        self.all().map(|(_, bytes)| bytes.len()).sum()
    }

    fn all(&self) -> impl Iterator<Item = (u8, &Bytes)> {
        let frames = (1..).zip(&self.frames).filter_map(|(codec, frame)| Some((codec, frame.as_ref()?)));
        let payloads = [(JSON, &self.json), (MESSAGE_PACK, &self.msgpack)];
        frames.chain(payloads.into_iter().filter_map(|(form, payload)| Some((form, payload.as_ref()?))))
    }

    /// The frame that came for a codec: checked as a message of a device is, because whatever it has would reach
    /// devices as if this server had encoded it. `None` where none came.
    pub(crate) fn frame(&self, codec: &Codec, name: &str, most: usize) -> Option<Result<Bytes, SendError>> {
        let frame = self.frames.get(usize::from(number_of(codec)).checked_sub(1)?)?.as_ref()?;
        if frame.len() > most {
            return Some(Err(SendError::TooBig(frame.len())));
        }
        let checked = envelope(frame, codec, name).map(|_| match frame.len() {
            ..COPIED => Bytes::copy_from_slice(frame),
            _ => frame.clone(),
        });
        Some(checked.ok_or_else(|| malformed().into()))
    }

    /// The payload in a format, translated where only the other came.
    ///
    /// # Errors
    /// When what came is malformed, or has no form in that format.
    pub(crate) fn payload(&self, name: &str, format: Format) -> Result<Payload<'static>, EncodeError> {
        let [of_json, of_msgpack, ..] = &self.frames;
        let as_json = || {
            let framed = || envelope(of_json.as_ref()?, &Codec::Json, name).map(|it| it.payload.into_owned());
            self.json.as_deref().map_or_else(framed, json)
        };
        let as_msgpack = || {
            let framed = || envelope(of_msgpack.as_ref()?, &Codec::MessagePack, name).map(|it| it.payload.into_owned());
            self.msgpack.as_deref().map_or_else(framed, msgpack)
        };
        let payload = match format {
            Format::Json => as_json().or_else(as_msgpack),
            _ => as_msgpack().or_else(as_json),
        };
        Ok(payload.ok_or_else(malformed)?.translated(format)?.into_owned())
    }

    /// Copies what it has, so that it keeps nothing else of the bytes that it came in.
    pub(crate) fn detached(mut self) -> Self {
        let all = self.frames.iter_mut().chain([&mut self.json, &mut self.msgpack]);
        all.flatten().for_each(|bytes| *bytes = Bytes::copy_from_slice(bytes));
        self
    }

    /// Writes how many forms there are, and each: its number, and its bytes, sized.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.all().map(|_| 1).sum());
        for (form, bytes) in self.all() {
            out.push(form);
            put_sized(out, bytes);
        }
    }

    /// Reads what [`write`](Self::write) wrote. Forms that this version does not know are left out.
    pub(super) fn read(parts: &mut Parts) -> Option<Self> {
        let mut forms = Forms::default();
        for _ in 0..parts.u8()? {
            let (form, bytes) = (parts.u8()?, parts.sized()?);
            match form {
                JSON => forms.json = Some(bytes),
                MESSAGE_PACK => forms.msgpack = Some(bytes),
                codec => forms.add_frame(codec, bytes),
            }
        }
        forms.is_exact().then_some(forms)
    }
}

fn slot(frames: &mut [Option<Bytes>; CODECS], codec: u8) -> Option<&mut Option<Bytes>> {
    frames.get_mut(usize::from(codec).checked_sub(1)?)
}

/// The envelope of a frame, if it is one of a message of that name.
fn envelope<'a>(frame: &'a [u8], codec: &Codec, name: &str) -> Option<Envelope<'a>> {
    let opcode = if codec.binary() { Opcode::Binary } else { Opcode::Text };
    let envelope = codec.read(Frame::payload_of(opcode, frame)?, codec.binary()).ok()?;
    (envelope.name == name && !envelope.is_call()).then_some(envelope)
}

fn malformed() -> EncodeError {
    EncodeError::new("another server has sent a malformed form")
}
