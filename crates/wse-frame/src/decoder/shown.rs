//! How a decoder prints itself. May never show a byte of what it holds.

use super::Decoder;
use std::fmt;

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Decoder");
        f.field("role", &self.role).field("limits", &self.limits).field("buffered", &self.buffered());
        f.finish_non_exhaustive()
    }
}
