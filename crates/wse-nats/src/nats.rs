//! How a bus over NATS is made: addresses, login and TLS.

use crate::{
    address::{self, Addresses, Login},
    error::SetupError,
};
use async_nats::{ConnectOptions, ServerAddr};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// A bus over NATS, for `ServerBuilder::cluster` of `wse`. Making it connects to nothing: the server starts and
/// serves whether or not NATS is there.
///
/// `Debug` shows the addresses alone, without users and passwords.
///
/// ```
/// use wse_nats::Nats;
///
/// # fn main() -> Result<(), wse_nats::SetupError> {
/// let nats = Nats::connect("tls://nats-1.internal:4222,tls://nats-2.internal:4222")?.user("chat", "correct horse");
/// assert!(Nats::connect("http://nats-1.internal").is_err());
/// # Ok(())
/// # }
/// ```
pub struct Nats {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) options: ConnectOptions,
}

impl Nats {
    /// A bus over the NATS servers of these addresses, with commas between them: `nats://host:port`, `host:port`,
    /// `host`, or `tls://host:port` for TLS, which NATS may demand in any case. The port is 4222 unless it is
    /// given. Servers that these name are used as well, so one of a cluster is enough, and two are safer.
    ///
    /// An address may hold user and password (`nats://user:password@host`) or a token (`nats://token@host`), with
    /// `%40` for an `@`. All that hold a user must hold the same one.
    ///
    /// # Errors
    ///
    /// [`SetupError::Address`] when the list is empty or one of them is not an address.
    pub fn connect(addresses: &str) -> Result<Self, SetupError> {
        let Addresses { servers, login } = address::read(addresses)?;
        let mut options = ConnectOptions::new();
        if servers.iter().any(ServerAddr::tls_required) {
            // of the servers too that these will name
            options = options.require_tls(true);
        }
        let nats = Self { servers, options };
        Ok(match login {
            Some(Login::Password(user, password)) => nats.user(&user, &password),
            Some(Login::Token(token)) => nats.token(&token),
            None => nats,
        })
    }

    /// Logs in with the user's JWT and key of a credentials file, which `nsc` writes. It is read now, and not
    /// again.
    ///
    /// # Errors
    ///
    /// [`SetupError::File`] when it cannot be read or holds no credentials.
    ///
    /// ```
    /// use wse_nats::{Nats, SetupError};
    ///
    /// # fn main() -> Result<(), SetupError> {
    /// let missing = Nats::connect("nats-1.internal")?.credentials("no-such-file.creds");
    /// assert!(matches!(missing, Err(SetupError::File { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn credentials(self, path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = path.as_ref();
        let wrong = |error| SetupError::File { path: path.to_owned(), error };
        let text = fs::read_to_string(path).map_err(wrong)?;
        let options = self.options.credentials(&text).map_err(wrong)?;
        Ok(Self { options, ..self })
    }

    /// Logs in with a user and a password.
    pub fn user(self, user: &str, password: &str) -> Self {
        Self { options: self.options.user_and_password(user.to_owned(), password.to_owned()), ..self }
    }

    /// Logs in with a token.
    pub fn token(self, token: &str) -> Self {
        Self { options: self.options.token(token.to_owned()), ..self }
    }

    /// Logs in with the nkey of that seed (`SU…`).
    ///
    /// # Errors
    ///
    /// [`SetupError::Nkey`] when it is not the seed of an nkey.
    ///
    /// ```
    /// use wse_nats::Nats;
    ///
    /// # fn main() -> Result<(), wse_nats::SetupError> {
    /// let nats = Nats::connect("nats-1.internal")?;
    /// let nats = nats.nkey("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY")?;
    /// assert!(nats.nkey("SUA").is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn nkey(self, seed: &str) -> Result<Self, SetupError> {
        nkeys::KeyPair::from_seed(seed).map_err(|_| SetupError::Nkey)?;
        Ok(Self { options: self.options.nkey(seed.to_owned()), ..self })
    }

    /// Speaks TLS, and trusts the certificates of this PEM file in place of the operating system's. The file is
    /// read again for each connection, so it may be replaced.
    ///
    /// # Errors
    ///
    /// [`SetupError::File`] when it cannot be read or holds no certificate.
    pub fn root_certificates(self, path: impl AsRef<Path>) -> Result<Self, SetupError> {
        let path = certificates(path.as_ref())?;
        Ok(Self { options: self.options.add_root_certificates(path).require_tls(true), ..self })
    }

    /// Speaks TLS, and proves who it is by the certificate and key of these PEM files. The files are read again for
    /// each connection, so they may be replaced.
    ///
    /// # Errors
    ///
    /// [`SetupError::File`] when one cannot be read or does not hold a certificate, or a key.
    ///
    /// ```
    /// use wse_nats::{Nats, SetupError};
    ///
    /// # fn main() -> Result<(), SetupError> {
    /// let missing = Nats::connect("nats-1.internal")?.client_certificate("no-such-file.pem", "no-such-key.pem");
    /// assert_eq!(missing.unwrap_err().to_string(), "cannot use no-such-file.pem: No such file or directory (os error 2)");
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, SetupError> {
        let certificate = certificates(certificate.as_ref())?;
        let key = private_key(key.as_ref())?;
        Ok(Self { options: self.options.add_client_certificate(certificate, key).require_tls(true), ..self })
    }

    /// Begins with TLS, before NATS says a word: for servers with `handshake_first` in their configuration.
    pub fn tls_first(self) -> Self {
        Self { options: self.options.tls_first(), ..self }
    }
}

/// The path of a file of certificates.
fn certificates(path: &Path) -> Result<PathBuf, SetupError> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(unusable(path, pem::Error::NoItemsFound)),
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(unusable(path, error)),
    }
}

/// The path of a file with a private key.
fn private_key(path: &Path) -> Result<PathBuf, SetupError> {
    PrivateKeyDer::from_pem_file(path).map(|_| path.to_owned()).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: pem::Error) -> SetupError {
    let error = match error {
        pem::Error::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    };
    SetupError::File { path: path.to_owned(), error }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<&str> = self.servers.iter().map(ServerAddr::as_url_str).collect();
        f.debug_struct("Nats").field("servers", &servers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let nats = Nats::connect("nats://ann:secret@a").unwrap().token("secret");
        assert_eq!(format!("{nats:?}"), "Nats { servers: [\"nats://a\"], .. }");
    }
}
