//! Binds the sockets that a server listens on: every address of a name, or a Unix socket. An error names
//! the address.

use crate::{error::ServeError, server::admission::sockets::TcpSockets};
use std::{
    fmt::Display,
    io::{self, ErrorKind},
};
use tokio::net::{TcpListener, ToSocketAddrs};
#[cfg(unix)]
pub(crate) use unix::bind_unix;

/// Binds every address that the name resolves to, except those of a family that this machine does not
/// have.
pub(crate) async fn bind(name: impl ToSocketAddrs) -> Result<TcpSockets, ServeError> {
    let resolved = tokio::net::lookup_host(name).await.map_err(|error| cannot_listen("that name", &error))?;
    let mut addrs = Vec::new();
    for addr in resolved {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    let (mut listeners, mut missing) = (Vec::new(), None);
    for addr in addrs {
        match TcpListener::bind(addr).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_missing(&error) => missing = missing.or(Some(cannot_listen(addr, &error))),
            Err(error) => return Err(cannot_listen(addr, &error)),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        None if listeners.is_empty() => Err(cannot_listen("that name", &ErrorKind::AddrNotAvailable.into())),
        _ => Ok(TcpSockets::new(listeners)),
    }
}

/// Whether the machine has no such address, or no such family: `EAFNOSUPPORT`, which has no kind.
fn is_missing(error: &io::Error) -> bool {
    const NO_SUCH_FAMILY: [i32; 3] = [97, 47, 10047]; // Linux, macOS and BSD, Windows
    let family = error.raw_os_error().is_some_and(|number| NO_SUCH_FAMILY.contains(&number));
    family || matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
}

/// The error with the address in its text.
fn cannot_listen(on: impl Display, error: &io::Error) -> ServeError {
    ServeError::Listen(io::Error::new(error.kind(), format!("{on}: {error}")))
}

#[cfg(unix)]
mod unix {
    use super::cannot_listen;
    use crate::{
        error::ServeError,
        server::admission::sockets::{SocketFile, UnixSocket},
    };
    use std::{
        fs,
        io::{self, ErrorKind},
        os::unix::fs::FileTypeExt,
        path::Path,
    };
    use tokio::net::{UnixListener, UnixStream};

    /// Binds a Unix socket. The file of a socket on which nobody listens any more is replaced.
    pub(crate) async fn bind_unix(path: &Path) -> Result<UnixSocket, ServeError> {
        let bound = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path).await => {
                fs::remove_file(path).and_then(|()| UnixListener::bind(path))
            }
            bound => bound,
        };
        let listener = bound.map_err(|error| cannot_listen(path.display(), &error))?;
        Ok(UnixSocket::new(listener, Some(SocketFile::new(path))))
    }

    /// Whether the file is a socket that nobody listens on.
    async fn is_stale(path: &Path) -> bool {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
        is_socket && UnixStream::connect(path).await.err().is_some_and(refused)
    }
}
