//! `Opcode`: what kind of frame it is. May never know what a frame's payload means.

/// What kind of frame it is, RFC 6455 section 5.2.
///
/// The eleven kinds that the RFC keeps for later (3 to 7, 11 to 15) have no variant: the decoder
/// refuses them with [`FrameError::ReservedOpcode`](crate::FrameError::ReservedOpcode), and nobody
/// can write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// A further part of a message that began in an earlier frame (0).
    ///
    /// The decoder puts messages together, so it never hands this out.
    Continuation = 0,
    /// A message of UTF-8 text (1).
    Text = 1,
    /// A message of bytes (2).
    Binary = 2,
    /// The end of the conversation (8).
    Close = 8,
    /// A question whether the peer is alive (9).
    Ping = 9,
    /// The answer to a ping (10).
    Pong = 10,
}

impl Opcode {
    /// The opcode in the low four bits of a frame's first byte, or those bits if they are kept for
    /// later.
    pub(crate) fn from_bits(byte: u8) -> Result<Opcode, u8> {
        match byte & 0x0f {
            0 => Ok(Opcode::Continuation),
            1 => Ok(Opcode::Text),
            2 => Ok(Opcode::Binary),
            8 => Ok(Opcode::Close),
            9 => Ok(Opcode::Ping),
            10 => Ok(Opcode::Pong),
            other => Err(other),
        }
    }

    /// Whether it is a close, a ping or a pong: short, never fragmented, welcome between the
    /// fragments of a message.
    pub(crate) fn is_control(self) -> bool {
        self as u8 & 0x08 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_six_opcodes_reads_back_and_the_others_do_not() {
        for bits in 0..16 {
            match Opcode::from_bits(0xf0 | bits) {
                Ok(opcode) => assert_eq!(opcode as u8, bits),
                Err(refused) => {
                    assert_eq!(refused, bits);
                    assert!(matches!(bits, 3..=7 | 11..=15));
                }
            }
        }
    }

    #[test]
    fn exactly_close_ping_and_pong_are_control_frames() {
        use Opcode::*;
        for opcode in [Continuation, Text, Binary] {
            assert!(!opcode.is_control());
        }
        for opcode in [Close, Ping, Pong] {
            assert!(opcode.is_control());
        }
    }
}
