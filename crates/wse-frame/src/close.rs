//! `CloseFrame`: how a conversation ends. May never decide that it ends.

use crate::FrameError;

/// The longest reason that fits into a close frame behind its code (RFC 6455 section 5.5).
const REASON_MAX: usize = 123;

/// How the peer ended the conversation: the body of its close frame, checked.
///
/// A close frame without a body is no `CloseFrame`; that situation is called 1005 by RFC 6455
/// section 7.1.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// The code, one that may travel: 1000 to 1003, 1007 to 1014, 3000 to 4999 (section 7.4).
    pub code: u16,
    /// The reason, at most 123 bytes, empty if the peer gave none.
    pub reason: String,
}

impl CloseFrame {
    /// Reads the body of a close frame: nothing, or a code with a reason. Half a code has been refused at the header.
    pub(crate) fn read(body: &[u8]) -> Result<Option<CloseFrame>, FrameError> {
        let Some((code, reason)) = body.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let code = u16::from_be_bytes(*code);
        if !may_travel(code) {
            return Err(FrameError::CloseCode(code));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| FrameError::NotUtf8)?;
        Ok(Some(CloseFrame { code, reason: reason.to_owned() }))
    }

    /// Appends the body of a close frame; empty if the code must not be sent, the reason cut where
    /// a char ends.
    pub(crate) fn write(out: &mut Vec<u8>, code: u16, reason: &str) {
        if may_travel(code) {
            let mut end = reason.len().min(REASON_MAX);
            while !reason.is_char_boundary(end) {
                end -= 1;
            }
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(&reason.as_bytes()[..end]);
        }
    }
}

/// Whether a close frame may carry the code: those defined for it, and those for libraries and
/// applications.
fn may_travel(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
