//! Why a bus over NATS cannot be made.

use std::{io, path::PathBuf};

/// Why [`Nats`](crate::Nats) cannot be made: something that will not get better by trying again. No text of it
/// holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no address of a server, or one that cannot be read. The addresses themselves are not repeated, as
    /// they may hold a password.
    #[error("invalid address of a NATS server: {0}")]
    Address(String),
    /// A file cannot be read, or does not hold what it should.
    #[error("cannot use {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: io::Error,
    },
    /// The text is not the seed of a user's nkey.
    #[error("invalid seed of an nkey")]
    Nkey,
}
