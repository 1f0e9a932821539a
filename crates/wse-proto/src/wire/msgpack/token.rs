//! Reads the tokens of MessagePack, which borrow from the bytes. Every read is checked against
//! the length of the bytes.

use crate::wire::error::ProtocolError;

/// One token: a whole value, or the head of an array or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Text(&'a str),
    Binary(&'a [u8]),
    Extension(i8, &'a [u8]),
    /// The head of an array; so many values follow.
    Array(usize),
    /// The head of a map; so many pairs follow.
    Map(usize),
}

/// Whether the bytes begin with an array.
pub(crate) fn begins_list(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x90..=0x9f | 0xdc | 0xdd))
}

/// Reads bytes token by token.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
    container: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, position: 0, container: false }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// How many of them there are.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether the last token was the head of an array or map.
    pub(crate) fn last_was_container(&self) -> bool {
        self.container
    }

    /// The next token.
    ///
    /// # Errors
    /// When the bytes end before the token does.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, ProtocolError> {
        let [marker] = self.array_of()?;
        let token = match marker {
            0x00..=0x7f => Token::Unsigned(marker.into()),
            0x80..=0x8f => Token::Map((marker & 0x0f).into()),
            0x90..=0x9f => Token::Array((marker & 0x0f).into()),
            0xa0..=0xbf => Token::Text(utf8(self.take((marker & 0x1f).into())?)?),
            0xc0 => Token::Nil,
            0xc1 => return Err(ProtocolError::new("the byte c1, which MessagePack never uses")),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4..=0xc6 => Token::Binary(self.sized(marker - 0xc4)?),
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                self.extension(length)?
            }
            0xca => Token::F32(f32::from_be_bytes(self.array_of()?)),
            0xcb => Token::F64(f64::from_be_bytes(self.array_of()?)),
            0xcc => Token::Unsigned(u8::from_be_bytes(self.array_of()?).into()),
            0xcd => Token::Unsigned(u16::from_be_bytes(self.array_of()?).into()),
            0xce => Token::Unsigned(u32::from_be_bytes(self.array_of()?).into()),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.array_of()?)),
            0xd0 => Token::Signed(i8::from_be_bytes(self.array_of()?).into()),
            0xd1 => Token::Signed(i16::from_be_bytes(self.array_of()?).into()),
            0xd2 => Token::Signed(i32::from_be_bytes(self.array_of()?).into()),
            0xd3 => Token::Signed(i64::from_be_bytes(self.array_of()?)),
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => Token::Text(utf8(self.sized(marker - 0xd9)?)?),
            0xdc | 0xdd => Token::Array(self.length(marker - 0xdc + 1)?),
            0xde | 0xdf => Token::Map(self.length(marker - 0xde + 1)?),
            0xe0..=0xff => Token::Signed((marker as i8).into()),
        };
        self.container = matches!(token, Token::Array(_) | Token::Map(_));
        Ok(token)
    }

    /// The head of an array.
    pub(crate) fn array(&mut self) -> Result<usize, ProtocolError> {
        match self.token()? {
            Token::Array(length) => Ok(length),
            _ => Err(ProtocolError::new("not an array")),
        }
    }

    /// A string.
    pub(crate) fn text(&mut self) -> Result<&'a str, ProtocolError> {
        self.text_or_nil()?.ok_or_else(|| ProtocolError::new("nil for a string"))
    }

    /// A string, or nil.
    pub(crate) fn text_or_nil(&mut self) -> Result<Option<&'a str>, ProtocolError> {
        match self.token()? {
            Token::Text(text) => Ok(Some(text)),
            Token::Nil => Ok(None),
            _ => Err(ProtocolError::new("not a string")),
        }
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, ProtocolError> {
        let [kind] = self.array_of()?;
        Ok(Token::Extension(kind as i8, self.take(length)?))
    }

    fn sized(&mut self, width: u8) -> Result<&'a [u8], ProtocolError> {
        let length = self.length(width)?;
        self.take(length)
    }

    /// A length of one, two or four bytes.
    fn length(&mut self, width: u8) -> Result<usize, ProtocolError> {
        Ok(match width {
            0 => u8::from_be_bytes(self.array_of()?).into(),
            1 => u16::from_be_bytes(self.array_of()?).into(),
            _ => usize::try_from(u32::from_be_bytes(self.array_of()?)).unwrap_or(usize::MAX),
        })
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let bytes = self.take(N)?;
        <[u8; N]>::try_from(bytes).map_err(|_| ended())
    }

    /// So many bytes, uninterpreted.
    ///
    /// # Errors
    /// When there are not so many.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], ProtocolError> {
        let taken = self.bytes[self.position..].get(..length).ok_or_else(ended)?;
        self.position += length;
        Ok(taken)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ProtocolError> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| ProtocolError::new("a str that is not UTF-8"))
}

fn ended() -> ProtocolError {
    ProtocolError::new("it ends in the middle of a value")
}
