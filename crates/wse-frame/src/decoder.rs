//! `Decoder`: bytes in, whole messages out. May never know what a message means, wait, or read a
//! clock.

mod begin;
#[cfg(test)]
mod limit_tests;
mod shown;
#[cfg(test)]
mod tests;

use crate::{
    CloseFrame, Control, FrameError, Item, Limits, Message, Opcode, Payload, Role,
    assembly::Assembly,
    header::{Lead, RESERVED},
    mask::{self, Key},
};
use bytes::BufMut;

/// Takes messages out of the bytes of one connection.
///
/// It uses up all input it is given, so that the connection needs no read buffer. While nothing is
/// half arrived it holds no heap memory; otherwise at most twice what has arrived of one message
/// (or 8 bytes), which [`Limits`] bound, and of one control frame, and 48 bytes of notes.
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
    message: Option<Box<Assembly>>,
    /// The beginning of a header, or of the payload of a control frame.
    begun: Box<[u8]>,
    role: Role,
    allowed: u8,
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
        Decoder { limits, state: State::Header, message: None, begun: Box::default(), role, allowed: 0 }
    }

    /// Changes the limits on a live connection, from the next header on.
    ///
    /// A frame whose header has been taken in is not looked at again; the message it belongs to is,
    /// at its next frame.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits that hold from the next header on.
    pub fn limits(&self) -> &Limits {
        &self.limits
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
        self.begun.len() + self.message.as_ref().map_or(0, |message| message.capacity())
    }

    /// Takes the next item out of `input`, advancing it; `None` when the input is used up.
    ///
    /// What precedes a bad frame is returned before its error. After an error every call gives that
    /// error again, whatever the input. After a close frame everything is swallowed (RFC 6455
    /// section 5.5.1).
    pub fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        self.next_in(input, |_, _| Vec::new())
    }

    /// The same, with memory of the caller's for a message that comes in pieces, so that it need not come from the
    /// allocator.
    ///
    /// `memory` is asked when such a message begins, for an empty buffer with a capacity of at least the first number
    /// and at most the second, which is twice what has arrived; any other is dropped. The buffer comes back as
    /// [`Payload::Owned`], if the message comes whole.
    pub fn next_in<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        memory: impl FnMut(usize, usize) -> Vec<u8>,
    ) -> Result<Option<Item<'b>>, FrameError> {
        let next = self.advance(input, memory);
        if let Err(error) = next {
            self.end(State::Failed(error));
        }
        next
    }

    /// Room for at least `least` bytes of what comes next, where that is certain to be the payload of a frame that has
    /// begun; `None` if there is less, or nothing has arrived of the message yet.
    ///
    /// What is put there stays where it is. It counts as input before all other: [`next`](Decoder::next) takes it in, also
    /// with an empty input.
    ///
    /// The room belongs to the memory of the message, which is never more than twice what has arrived: a length that is
    /// only announced makes no room.
    ///
    /// ```
    /// use bytes::BufMut;
    /// use wse_frame::{Decoder, Item, Limits, Role};
    ///
    /// let mut decoder = Decoder::new(Role::Client, Limits::default());
    /// let mut begin = *b"\x81\x06abc";
    /// assert_eq!(decoder.next(&mut &mut begin[..])?, None);
    ///
    /// let mut room = decoder.room(3).expect("three bytes have arrived, and three are missing");
    /// room.put_slice(b"def"); // read from a socket, as much as has come
    /// drop(room);
    /// let Some(Item::Message(message)) = decoder.next(&mut &mut [][..])? else { panic!() };
    /// assert_eq!(message.text(), Some("abcdef"));
    /// # Ok::<(), wse_frame::FrameError>(())
    /// ```
    pub fn room(&mut self, least: usize) -> Option<impl BufMut> {
        match (&self.state, &mut self.message) {
            (State::Payload(head), Some(message)) if !head.lead.opcode.is_control() => {
                message.room(head.left, least.max(1))
            }
            _ => None,
        }
    }

    // From here to `take_data` everything is inlined: a small message costs a third less so.
    #[inline(always)]
    fn advance<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        mut memory: impl FnMut(usize, usize) -> Vec<u8>,
    ) -> Result<Option<Item<'b>>, FrameError> {
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
                self.take_data(head, input, &mut memory)?
            };
            if item.is_some() || input.is_empty() {
                return Ok(item);
            }
        }
    }

    /// Takes what the input has of a close, ping or pong; gives it once it is whole.
    fn take_control<'b>(&mut self, head: Head, input: &mut &'b mut [u8]) -> Result<Option<Item<'b>>, FrameError> {
        let arrived = take(input, head.left);
        mask::remove(head.key, arrived);
        let left = head.left - arrived.len();
        let body = [&*std::mem::take(&mut self.begun), arrived].concat();
        if left > 0 {
            self.begun = body.into();
            let key = head.key.map(|key| mask::turned(key, arrived.len()));
            self.state = State::Payload(Head { left, key, ..head });
            return Ok(None);
        }
        self.state = State::Header;
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
    fn take_data<'b>(
        &mut self,
        head: Head,
        input: &mut &'b mut [u8],
        memory: impl FnOnce(usize, usize) -> Vec<u8>,
    ) -> Result<Option<Item<'b>>, FrameError> {
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
        let placed = self.message.as_ref().map_or(0, |message| message.placed());
        if input.is_empty() && placed == 0 && head.left > 0 {
            self.state = State::Payload(head);
            return Ok(None); // only the header: what follows may still be whole within one input
        }
        let arrived = take(input, head.left - placed);
        let left = head.left - placed - arrived.len();
        let message = self.message.get_or_insert_with(|| Box::new(Assembly::new(opcode, reserved)));
        message.place(arrived, fin.then_some(left), memory);
        let settled = message.settle(head.key)?;
        if left > 0 {
            let key = head.key.map(|key| mask::turned(key, settled));
            self.state = State::Payload(Head { left, key, ..head });
            return Ok(None);
        }
        self.state = State::Header;
        if !fin {
            message.end_frame();
            return Ok(None);
        }
        self.message.take().map(|message| message.finish().map(Item::Message)).transpose()
    }

    /// Memory of a conversation that is over is given back at once.
    fn end(&mut self, state: State) {
        self.state = state;
        self.message = None;
        self.begun = Box::default();
    }
}

/// The standard library's look takes 13 µs for 14 KB of German and Chinese, this one 1.3 µs, and as much as for ASCII.
fn is_utf8(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Splits the first `len` bytes off the input, or all that there are.
#[inline]
fn take<'b>(input: &mut &'b mut [u8], len: usize) -> &'b mut [u8] {
    let whole = std::mem::take(input);
    let (front, back) = whole.split_at_mut(len.min(whole.len()));
    *input = back;
    front
}
