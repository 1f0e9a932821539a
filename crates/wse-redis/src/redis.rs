//! How a bus over Redis is made: addresses, login and TLS.

use crate::error::SetupError;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError};
use std::{fmt, path::Path};

/// A bus over Redis, for `ServerBuilder::cluster` of `wse`. Making it connects to nothing: the server starts and
/// serves whether or not Redis is there.
///
/// `Debug` shows the addresses alone, without users and passwords.
///
/// ```
/// use wse_redis::Redis;
///
/// # fn main() -> Result<(), wse_redis::SetupError> {
/// let redis = Redis::connect("redis://redis.internal:6379")?.user("chat", "correct horse");
/// assert!(Redis::connect("http://redis.internal").is_err());
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    /// At least one; all have the same login.
    pub(crate) servers: Vec<ConnectionInfo>,
    pub(crate) is_cluster: bool,
    #[cfg(feature = "tls")]
    certificates: redis::TlsCertificates,
}

impl Redis {
    /// A bus over one Redis: `redis://host:port`, or `rediss://host:port` for TLS. The port is 6379 unless it is
    /// given. The address may hold a user and a password: `redis://user:password@host`, or `redis://:password@host`
    /// for the user `default`, with `%40` for an `@`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Address`] when it is not an address, or one for TLS in a program without the feature `tls`.
    pub fn connect(address: &str) -> Result<Self, SetupError> {
        Ok(Self::new(vec![read(address)?], false))
    }

    /// A bus over a Redis Cluster, of which some servers have these addresses: `host:port`, or any form of
    /// [`Redis::connect`]. The other servers are learnt from them; all are reached with the login and the TLS of the
    /// first one.
    ///
    /// # Errors
    ///
    /// [`SetupError::Address`] when there is none, or one of them is not an address.
    ///
    /// ```
    /// use wse_redis::Redis;
    ///
    /// # fn main() -> Result<(), wse_redis::SetupError> {
    /// let redis = Redis::cluster(["10.0.0.5:6379", "10.0.0.6:6379"])?.user("chat", "correct horse");
    /// # Ok(())
    /// # }
    /// ```
    pub fn cluster<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>) -> Result<Self, SetupError> {
        let mut servers = Vec::new();
        for address in addresses {
            let address = address.as_ref();
            let server = if address.contains("://") { read(address)? } else { read(&format!("redis://{address}"))? };
            if matches!(server.addr(), ConnectionAddr::Unix(_)) {
                return Err(SetupError::Address("a Redis Cluster is not reached by a path".to_owned()));
            }
            servers.push(server);
        }
        if servers.is_empty() {
            return Err(SetupError::Address("there is none".to_owned()));
        }
        Ok(Self::new(servers, true))
    }

    fn new(servers: Vec<ConnectionInfo>, is_cluster: bool) -> Self {
        Self {
            servers,
            is_cluster,
            #[cfg(feature = "tls")]
            certificates: redis::TlsCertificates { client_tls: None, root_cert: None },
        }
    }

    /// Logs in as that user of Redis' ACL.
    pub fn user(mut self, user: &str, password: &str) -> Self {
        for server in &mut self.servers {
            let login = server.redis_settings().clone().set_username(user).set_password(password);
            *server = server.clone().set_redis_settings(login);
        }
        self
    }

    /// Trusts the certificates of this PEM file in place of the operating system's. It is read now, and not again.
    ///
    /// # Errors
    ///
    /// [`SetupError::File`] when it cannot be read or holds no certificate, [`SetupError::NotTls`] when the address
    /// does not begin with `rediss://`, and [`SetupError::WithoutTls`] without the feature `tls`.
    pub fn root_certificates(self, path: impl AsRef<Path>) -> Result<Self, SetupError> {
        #[cfg(feature = "tls")]
        return crate::redis::tls::root_certificates(self, path.as_ref());
        #[cfg(not(feature = "tls"))]
        return without_tls(path.as_ref());
    }

    /// Proves who it is by the certificate and key of these PEM files. They are read now, and not again.
    ///
    /// # Errors
    ///
    /// As [`Redis::root_certificates`].
    ///
    /// ```
    /// use wse_redis::{Redis, SetupError};
    ///
    /// # fn main() -> Result<(), SetupError> {
    /// let missing = Redis::connect("redis://redis.internal")?.client_certificate("no-such-file.pem", "no-such-key.pem");
    /// assert!(missing.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_certificate(self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, SetupError> {
        #[cfg(feature = "tls")]
        return crate::redis::tls::client_certificate(self, certificate.as_ref(), key.as_ref());
        #[cfg(not(feature = "tls"))]
        return without_tls((certificate.as_ref(), key.as_ref()));
    }
}

#[cfg(not(feature = "tls"))]
fn without_tls<P>(_: P) -> Result<Redis, SetupError> {
    Err(SetupError::WithoutTls)
}

/// Reads an address. What comes is pushed, which only RESP3 can. Channels belong to no database, so none is chosen,
/// which would take one right more.
fn read(address: &str) -> Result<ConnectionInfo, SetupError> {
    let info = address.into_connection_info().map_err(|error| SetupError::Address(reason(&error)))?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
        return Err(SetupError::Address("TLS that trusts everybody is not supported".to_owned()));
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_db(0);
    Ok(info.set_redis_settings(settings))
}

/// What the library says of an address, without the address.
fn reason(error: &RedisError) -> String {
    let text = error.to_string();
    text.split(" - ").next().unwrap_or_default().to_owned()
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers.iter().map(|server| server.addr().to_string()).collect();
        f.debug_struct("Redis").field("servers", &servers).field("is_cluster", &self.is_cluster).finish_non_exhaustive()
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use redis::{Client, ClientTlsConfig};
    use std::{fs, io};

    pub(super) fn root_certificates(mut redis: Redis, path: &Path) -> Result<Redis, SetupError> {
        redis.certificates.root_cert = Some(pem(path, "CERTIFICATE-----")?);
        apply(redis, path)
    }

    pub(super) fn client_certificate(mut redis: Redis, certificate: &Path, key: &Path) -> Result<Redis, SetupError> {
        let client_cert = pem(certificate, "CERTIFICATE-----")?;
        let client_key = pem(key, "PRIVATE KEY-----")?;
        redis.certificates.client_tls = Some(ClientTlsConfig { client_cert, client_key });
        apply(redis, certificate)
    }

    /// Has all servers use the certificates.
    fn apply(mut redis: Redis, path: &Path) -> Result<Redis, SetupError> {
        for server in &mut redis.servers {
            if !matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
                return Err(SetupError::NotTls);
            }
            let client = Client::build_with_tls(server.clone(), redis.certificates.clone());
            let client = client.map_err(|error| unusable(path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
            *server = client.get_connection_info().clone();
        }
        Ok(redis)
    }

    /// The bytes of a file that holds such a block; the library takes one without any for an empty list.
    fn pem(path: &Path, block: &str) -> Result<Vec<u8>, SetupError> {
        let text = fs::read_to_string(path).map_err(|error| unusable(path, error))?;
        if !text.contains(block) {
            let what = format!("no PEM block that ends with {block}");
            return Err(unusable(path, io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        Ok(text.into_bytes())
    }

    fn unusable(path: &Path, error: io::Error) -> SetupError {
        SetupError::File { path: path.to_owned(), error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let redis = Redis::connect("redis://ann:secret@a/3").unwrap();
        assert_eq!(format!("{redis:?}"), "Redis { servers: [\"a:6379\"], is_cluster: false, .. }");
        let redis = Redis::cluster(["a:1", "redis://ann:secret@b:2"]).unwrap().user("ann", "secret");
        assert_eq!(format!("{redis:?}"), "Redis { servers: [\"a:1\", \"b:2\"], is_cluster: true, .. }");
    }

    #[test]
    fn what_is_no_address_is_an_error_without_the_secret() {
        for bad in [
            "",
            "a",
            "http://a",
            "redis://ann:secret@a:99999",
            "redis://ann:secret@a/db",
            "redis://ann:secret@a/?protocol=secret",
            "redis://ann:secret@",
            "redis://ann:%ffsecret@a",
            "rediss://ann:secret@a/#insecure",
        ] {
            let error = Redis::connect(bad).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("invalid address of a Redis server: "), "{bad}: {error}");
            assert!(!error.contains("secret") && !error.contains("ann"), "{error}");
        }
        assert!(Redis::cluster(Vec::<String>::new()).is_err());
        assert!(Redis::cluster(["a:1", "redis+unix:///tmp/x"]).is_err());
    }

    #[test]
    fn every_server_of_a_cluster_has_the_login() {
        let redis = Redis::cluster(["a:1", "b:2"]).unwrap().user("ann", "secret");
        for server in &redis.servers {
            assert_eq!(server.redis_settings().username(), Some("ann"));
            assert_eq!(server.redis_settings().password(), Some("secret"));
        }
    }
}
