//! `Decoder`: bytes in, whole messages out. May never know what a message means, wait, or read a
//! clock.

#[cfg(test)]
mod limit_tests;
mod shown;
#[cfg(test)]
mod tests;

use crate::{
    CloseFrame, Control, FrameError, Item, Limits, Message, Opcode, Payload, Role,
    assembly::Assembly,
    header::{CONTROL_MAX, HEADER_MAX, Lead, RESERVED, is_masked, read_len, short_len},
    mask::{self, Key},
};

/// Takes messages out of the bytes of one connection.
///
/// It uses up all input it is given, so that the connection needs no read buffer. While nothing is
/// half arrived it holds no heap memory; otherwise at most twice what has arrived of one message
/// (or 8 bytes), which [`Limits`] bound, and of one control frame.
///
/// Every rule of RFC 6455 for what may arrive is applied here: see [`FrameError`], which names
/// them. Text is checked as it arrives, also in the middle of a frame (section 8.1). Whether an
/// extension's reserved bits are allowed is for [`allow_reserved`](Decoder::allow_reserved) to say.
///
/// The result does not depend on how the bytes are split into inputs.
///
/// ```
/// use wse_frame::{Decoder, Item, Limits, Role};
///
/// let mut decoder = Decoder::new(Role::Client, Limits::default());
///
/// let mut first = *b"\x81\x02hi\x81\x05he";
/// let mut input = &mut first[..];
/// let Some(Item::Message(hi)) = decoder.next(&mut input)? else { panic!() };
/// assert_eq!(hi.text(), Some("hi"));
/// assert_eq!(decoder.next(&mut input)?, None); // all is used up, "he" is kept
///
/// let mut second = *b"llo";
/// let Some(Item::Message(hello)) = decoder.next(&mut &mut second[..])? else { panic!() };
/// assert_eq!(hello.text(), Some("hello"));
/// # Ok::<(), wse_frame::FrameError>(())
/// ```
pub struct Decoder {
    limits: Limits,
    state: State,
    /// The message that has begun and not ended.
    message: Option<Assembly>,
    /// The control frame that has begun and not ended.
    control: Vec<u8>,
    role: Role,
    allowed: u8,
    held: u8,
    /// The beginning of a header, `held` bytes of it.
    header: [u8; HEADER_MAX],
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    Payload(Head),
    /// The peer has said its last.
    Closed,
    Failed(FrameError),
}

/// A frame that has begun: what is left of it.
#[derive(Clone, Copy, Debug)]
struct Head {
    lead: Lead,
    /// The key for the next byte.
    key: Option<Key>,
    left: usize,
}

impl Decoder {
    /// A decoder at the beginning of a connection, behind the HTTP upgrade.
    pub fn new(role: Role, limits: Limits) -> Self {
        Decoder {
            limits,
            state: State::Header,
            message: None,
            control: Vec::new(),
            role,
            allowed: 0,
            held: 0,
            header: [0; HEADER_MAX],
        }
    }

    /// Changes the limits on a live connection, from the next header on.
    ///
    /// A frame whose header has been taken in is not looked at again; the message it belongs to is,
    /// at its next frame.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Lets in the reserved bits that an extension has negotiated, from the next header on (RFC
    /// 6455 section 5.2).
    ///
    /// `bits` as they stand in a frame's first byte: 0x40 is RSV1, permessage-deflate's. Others
    /// than 0x70 are ignored; 0, where a decoder begins, lets in none. They are let in only on the
    /// first frame of a text or binary message, which then is handed out with [`Message::reserved`]
    /// set and without a look at its UTF-8: that is the extension's.
    pub fn allow_reserved(&mut self, bits: u8) {
        self.allowed = bits & RESERVED;
    }

    /// Bytes of heap memory held for what is half arrived: 0 while nothing is.
    pub fn buffered(&self) -> usize {
        self.control.capacity() + self.message.as_ref().map_or(0, Assembly::capacity)
    }

    /// Takes the next item out of `input`, advancing it; `None` when the input is used up.
    ///
    /// What precedes a bad frame is returned before its error. After an error every call gives that
    /// error again, whatever the input. After a close frame everything is swallowed (RFC 6455
    /// section 5.5.1).
    pub fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        let next = self.advance(input);
        if let Err(error) = next {
            self.end(State::Failed(error));
        }
        next
    }

    // From here to `take_data` everything is inlined: a small message costs a third less so.
    #[inline(always)]
    fn advance<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        loop {
            let head = match self.state {
                State::Header => match self.take_header(input)? {
                    Some(head) => head,
                    None => return Ok(None),
                },
                State::Payload(head) => head,
                State::Closed => {
                    *input = &mut [];
                    return Ok(None);
                }
                State::Failed(error) => return Err(error),
            };
            let item = if head.lead.opcode.is_control() {
                self.take_control(head, input)?
            } else {
                self.take_data(head, input)?
            };
            if item.is_some() || input.is_empty() {
                return Ok(item);
            }
        }
    }

    /// Takes a header; keeps what there is of it when the input ends inside.
    #[inline(always)]
    fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, FrameError> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.held == 0
            && let Some((head, len)) = self.read_header(input)?
        {
            take(input, len);
            return Ok(Some(head));
        }
        self.hold_header(input)
    }

    /// Takes a header that lies across two inputs or more.
    #[cold]
    #[inline(never)]
    fn hold_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, FrameError> {
        let held = usize::from(self.held);
        let mut end = held;
        for (slot, byte) in self.header.iter_mut().skip(held).zip(input.iter()) {
            *slot = *byte;
            end += 1;
        }
        let read = match self.header.get(..end) {
            Some(bytes) => self.read_header(bytes)?,
            None => None,
        };
        match read {
            Some((head, len)) => {
                take(input, len.saturating_sub(held));
                self.held = 0;
                Ok(Some(head))
            }
            None => {
                take(input, end - held);
                self.held = end as u8;
                Ok(None)
            }
        }
    }

    /// Reads the header that `bytes` begin with and applies every rule to it, with its length;
    /// `None`: more is needed.
    ///
    /// Each rule is applied as soon as the bytes it is about are there.
    #[inline(always)]
    fn read_header(&self, bytes: &[u8]) -> Result<Option<(Head, usize)>, FrameError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let lead = Lead::read(*first)?;
        self.check_lead(lead)?;
        let masked = is_masked(*second);
        match self.role {
            Role::Server if !masked => return Err(FrameError::NotMasked),
            Role::Client if masked => return Err(FrameError::Masked),
            _ => {}
        }
        if lead.opcode.is_control() && short_len(*second) > CONTROL_MAX {
            return Err(FrameError::ControlTooLong);
        }
        let Some((len, rest)) = read_len(*second, rest)? else { return Ok(None) };
        let left = self.check_len(lead, len)?;
        let (key, rest) = if masked {
            let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*key), rest)
        } else {
            (None, rest)
        };
        Ok(Some((Head { lead, key, left }, bytes.len() - rest.len())))
    }

    #[inline(always)]
    fn check_lead(&self, lead: Lead) -> Result<(), FrameError> {
        let allowed = match lead.opcode {
            Opcode::Text | Opcode::Binary => self.allowed,
            _ => 0,
        };
        if lead.reserved & !allowed != 0 {
            return Err(FrameError::ReservedBits(lead.reserved & !allowed));
        }
        match (lead.opcode, &self.message) {
            (Opcode::Continuation, None) => Err(FrameError::NothingToContinue),
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(FrameError::MessageUnfinished),
            (opcode, _) if opcode.is_control() && !lead.fin => Err(FrameError::ControlFragmented),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    fn check_len(&self, lead: Lead, len: u64) -> Result<usize, FrameError> {
        let len = usize::try_from(len).map_err(|_| FrameError::TooBig)?;
        if lead.opcode == Opcode::Close && len == 1 {
            return Err(FrameError::CloseTooShort);
        }
        if lead.opcode.is_control() {
            return Ok(len);
        }
        let (arrived, frames) = match &self.message {
            Some(message) => (message.len(), message.frames()),
            None => (0, 0),
        };
        if len > self.limits.frame || len > self.limits.message.saturating_sub(arrived) {
            return Err(FrameError::TooBig);
        }
        if frames >= self.limits.fragments {
            return Err(FrameError::TooManyFragments);
        }
        Ok(len)
    }

    /// Takes what the input has of a close, ping or pong; gives it once it is whole.
    fn take_control<'b>(&mut self, head: Head, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        let (arrived, _, rest) = take_payload(head, input);
        self.control.extend_from_slice(arrived);
        self.state = rest.map_or(State::Header, State::Payload);
        if rest.is_some() {
            return Ok(None);
        }
        let body = std::mem::take(&mut self.control);
        Ok(Some(match head.lead.opcode {
            Opcode::Ping => Item::Ping(Control(body)),
            Opcode::Pong => Item::Pong(Control(body)),
            _ => {
                let close = CloseFrame::read(&body)?;
                self.end(State::Closed);
                Item::Close(close)
            }
        }))
    }

    /// Takes what the input has of a text, binary or continuation frame; gives the message once it
    /// is whole.
    fn take_data<'b>(&mut self, head: Head, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        let Lead { fin, reserved, opcode } = head.lead;
        if self.message.is_none() && fin && input.len() >= head.left {
            self.state = State::Header;
            let bytes = take(input, head.left);
            let ascii = mask::remove(head.key, bytes);
            if opcode == Opcode::Text && reserved == 0 && !ascii && !is_utf8(bytes) {
                return Err(FrameError::NotUtf8);
            }
            return Ok(Some(Item::Message(Message { opcode, reserved, payload: Payload::Borrowed(bytes) })));
        }
        let (arrived, ascii, rest) = take_payload(head, input);
        self.state = rest.map_or(State::Header, State::Payload);
        if rest.is_some() && arrived.is_empty() {
            return Ok(None); // only the header: what follows may still be whole within one input
        }
        let message = self.message.get_or_insert_with(|| Assembly::new(opcode, reserved));
        message.push(arrived, ascii, fin.then_some(rest.map_or(0, |rest| rest.left)))?;
        match rest {
            Some(_) => Ok(None),
            None if fin => self.message.take().map(Assembly::finish).transpose().map(|done| done.map(Item::Message)),
            None => {
                message.end_frame();
                Ok(None)
            }
        }
    }

    /// Memory of a conversation that is over is given back at once.
    fn end(&mut self, state: State) {
        self.state = state;
        self.message = None;
        self.control = Vec::new();
    }
}

/// Takes what the input has of a payload, unmasked; with whether it is known to be ASCII, and with what is left of the
/// frame, if anything is.
fn take_payload<'b>(head: Head, input: &mut &'b mut [u8]) -> (&'b [u8], bool, Option<Head>) {
    let arrived = take(input, head.left);
    let ascii = mask::remove(head.key, arrived);
    let left = head.left - arrived.len();
    let key = head.key.map(|key| mask::turned(key, arrived.len()));
    (arrived, ascii, (left > 0).then_some(Head { left, key, ..head }))
}

/// `from_utf8` alone would go byte by byte to where a word begins; most texts are ASCII.
fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()
}

/// Splits the first `len` bytes off the input, or all that there are.
#[inline]
fn take<'b>(input: &mut &'b mut [u8], len: usize) -> &'b mut [u8] {
    let whole = std::mem::take(input);
    let (front, back) = whole.split_at_mut(len.min(whole.len()));
    *input = back;
    front
}
