//! Shared state as the first argument of a handler.

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
