//! The bytes that servers of a cluster write for each other, and that their nodes carry unread: messages, calls,
//! answers, and what rooms retain.
//!
//! The layouts in the documents of [`send`], [`call`], [`answer`] and [`values`] are normative: servers of different
//! versions stand in one cluster while it is updated. Numbers are big endian, *text* is UTF-8, and *sized* means
//! a length of 32 bits and so many bytes. What has another version or kind, or ends too early or too late, is malformed, and
//! nothing of it is done. A kind, flag, form or outcome never changes its meaning, and none is used again.
//!
//! The bytes come from another process, so they are checked as those of a device are: nothing in them can panic,
//! and memory is taken only for what is there.

pub(crate) mod answer;
mod bytes;
pub(crate) mod call;
pub(crate) mod forms;
pub(crate) mod send;
pub(crate) mod values;

#[cfg(test)]
mod tests;
