//! How a frame begins: a decoder takes its header, and applies every rule of a header to it. May never
//! take a payload.

use super::{Decoder, Head, take};
use crate::{
    FrameError, Opcode, Role,
    header::{CONTROL_MAX, HEADER_MAX, Lead, is_masked, read_len, short_len},
};

impl Decoder {
    /// Takes a header; keeps what there is of it when the input ends inside.
    #[inline(always)]
    pub(super) fn take_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, FrameError> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.begun.is_empty()
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
        let begun = std::mem::take(&mut self.begun);
        let header: Vec<u8> = begun.iter().chain(input.iter()).take(HEADER_MAX).copied().collect();
        match self.read_header(&header)? {
            Some((head, len)) => {
                take(input, len.saturating_sub(begun.len()));
                Ok(Some(head))
            }
            None => {
                take(input, header.len() - begun.len());
                self.begun = header.into();
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
}
