//! Why a bus over Redis cannot be made.

use std::{io, path::PathBuf};

/// Why [`Redis`](crate::Redis) cannot be made: something that will not get better by trying again. No text of it
/// holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no address of a server, or one that cannot be read. The address itself is not repeated, as it may
    /// hold a password.
    #[error("invalid address of a Redis server: {0}")]
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
    /// Certificates are for addresses that begin with `rediss://`.
    #[error("certificates without TLS: the address has to begin with rediss://")]
    NotTls,
    /// The feature `tls` of `wse-redis` is off.
    #[error("this program was built without the feature tls of wse-redis")]
    WithoutTls,
}
