//! The part of a client's builder that says how the server is reached: headers, cookies, proxy, stream,
//! TLS.

use crate::{
    client::{builder::ClientBuilder, dial::Dial, state::encode_headers},
    connection::stream::Io,
};
use http::{HeaderName, HeaderValue, Uri};
use std::{future::Future, io, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};
use wse_proto::RpError;

impl ClientBuilder {
    /// Adds a header to the upgrade request, such as `Origin` or `Cookie`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => _ = self.options.headers.append(name, value),
            _ => self.options.setup_error = Some(format!("{name:?} with that value is not a valid header")),
        }
        self
    }

    /// Sets a function that makes headers of the upgrade request anew for every attempt, such as a token
    /// that expires: `async || -> Result<headers, RpError>`, names with values. They replace those of
    /// [`header`](ClientBuilder::header) with the same name. When it fails, or a header is not valid, the
    /// attempt fails with [`ConnectError::Headers`](crate::ConnectError::Headers), as it does when the
    /// [identity](ClientBuilder::identity_with) fails.
    ///
    /// ```
    /// # async fn fresh_token() -> Result<String, std::io::Error> { Ok("t".into()) }
    /// let client = wse::Client::builder("wss://chat.example.com/ws")
    ///     .header_with(async || Ok([("Authorization", format!("Bearer {}", fresh_token().await?))]));
    /// ```
    pub fn header_with<F, Fut, H, N, V>(mut self, headers: F) -> Self
    where
        F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<H, RpError>> + Send + 'static,
        H: IntoIterator<Item = (N, V)>,
        N: AsRef<str>,
        V: AsRef<str>,
    {
        self.options.make_headers = Some(Arc::new(move || {
            let headers = headers.clone()();
            Box::pin(async move { encode_headers(headers.await?) })
        }));
        self
    }

    /// Sets whether the client sends a balancer its cookies back; by default it does not. Cookies of the
    /// answer to an upgrade, granted or not, go with later attempts to the same host, behind those of a
    /// header `Cookie`. They are kept in memory, at most 32 of them with 8 KiB, and are never logged. A
    /// jump to another host forgets them.
    pub fn cookies(mut self, cookies: bool) -> Self {
        self.options.cookies = cookies;
        self
    }

    /// Connects through the HTTP proxy that the environment names, if it names one. Every attempt reads
    /// the environment anew. `HTTPS_PROXY` counts for `wss`, `HTTP_PROXY` for `ws`, `ALL_PROXY` where
    /// that one is not set; `NO_PROXY` exempts addresses. All may be written in small letters, which
    /// come first.
    ///
    /// - A proxy is `http://user:password@host:port`; only the host is needed, the port is 80 by default.
    ///   It is asked for a tunnel (`CONNECT`), for `ws` too. Another kind of proxy is an error.
    /// - `NO_PROXY` is a list with commas: `*` for all, a network (`10.0.0.0/8`), an address, or a name,
    ///   which exempts what is below it too. A name or an address may have a port. `localhost` is exempt
    ///   only if it is listed.
    /// - In a CGI program (`REQUEST_METHOD` is set) `HTTP_PROXY` in capitals does not count.
    /// - [`dial`](ClientBuilder::dial) opens streams its own way, without a proxy.
    pub fn proxy_from_env(mut self) -> Self {
        self.options.proxy_from_env = true;
        self
    }

    /// Sets a function that opens the stream to the server: over a Unix socket, a proxy, or a pipe in
    /// a test: `async |uri| -> io::Result<stream>`. The client sends the upgrade request over that
    /// stream. It does not add TLS: the function does, if it is needed.
    ///
    /// ```
    /// # async fn example(server: wse::Server) -> Result<(), wse::ConnectError> {
    /// // A client and a server in one test, without a socket.
    /// let client = wse::Client::builder("ws://in.memory/")
    ///     .dial(async move |_| {
    ///         let (ours, theirs) = tokio::io::duplex(4096);
    ///         tokio::spawn(async move { server.serve_stream(theirs, None).await });
    ///         Ok(ours)
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn dial<IO, F, Fut>(mut self, dial: F) -> Self
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: FnOnce(Uri) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = io::Result<IO>> + Send + 'static,
    {
        let dial: Dial = Arc::new(move |uri| {
            let stream = dial.clone()(uri);
            Box::pin(async move { Ok(Box::new(stream.await?) as Io) })
        });
        self.options.dial = Some(dial);
        self
    }

    /// Sets the TLS configuration for `wss`: roots, client certificates, versions. The default trusts
    /// the roots of the operating system.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: Arc<tokio_rustls::rustls::ClientConfig>) -> Self {
        self.options.wrap_tls = crate::client::tls::with_config(config);
        self
    }
}
