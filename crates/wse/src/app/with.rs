//! Shared state as the first argument of a handler, or of a listener of events.

use std::sync::Arc;

/// Binds shared state as the first argument of a handler.
///
/// ```
/// use std::sync::Arc;
/// use wse::{Conn, RpError, Server, with};
///
/// struct App { greeting: String }
/// impl App {
///     async fn greet(self: Arc<Self>, _: Conn, name: String) -> Result<String, RpError> {
///         Ok(format!("{} {name}", self.greeting))
///     }
/// }
/// let app = Arc::new(App { greeting: "hello".into() });
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .register("greet", with(&app, App::greet))
///     .build();
/// ```
pub fn with<S, W, P, Fut>(
    state: &Arc<S>,
    handler: impl FnOnce(Arc<S>, W, P) -> Fut + Clone + Send + Sync + 'static,
) -> impl FnOnce(W, P) -> Fut + Clone + Send + Sync + 'static
where
    S: Send + Sync + 'static,
{
    let state = state.clone();
    move |who, what| handler(state, who, what)
}

/// Binds shared state as the first argument of a listener of events, as [`with`] does for a handler.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use wse::{Event, Server, with_event};
///
/// #[derive(Default)]
/// struct App { joined: AtomicUsize }
/// impl App {
///     async fn heard(self: Arc<Self>, event: Event) {
///         if let Event::Joined(_) = event {
///             self.joined.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// let server = Server::builder()
///     .identify(async |stranger, name: String| Ok(stranger.accept(name)))
///     .when(with_event(&Arc::new(App::default()), App::heard))
///     .build();
/// ```
pub fn with_event<S, E, Fut>(
    state: &Arc<S>,
    listener: impl FnOnce(Arc<S>, E) -> Fut + Clone + Send + Sync + 'static,
) -> impl FnOnce(E) -> Fut + Clone + Send + Sync + 'static
where
    S: Send + Sync + 'static,
{
    let state = state.clone();
    move |event| listener(state, event)
}
