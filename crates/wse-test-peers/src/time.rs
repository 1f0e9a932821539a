//! Helpers for time in tests, paused or real: how long to wait, what to wait for, how to compare.

use std::{task::Poll, time::Duration};

/// Longer than anything takes. In tests with paused time it costs nothing.
pub const WAIT: Duration = Duration::from_secs(300);

/// Lets all tasks run until none has anything left to do. For paused time.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Lets every task that is ready now be polled once. `yield_now` would let them run until none is.
pub async fn next_in_line() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What a future returns, which must be within [`WAIT`].
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, future).await.expect("it never came")
}

/// The time that a future takes, and what it returns.
pub async fn timed<T>(future: impl Future<Output = T>) -> (Duration, T) {
    let start = tokio::time::Instant::now();
    let output = soon(future).await;
    (start.elapsed(), output)
}

/// Whether two times are the same but for the timer's grain. For paused time.
pub fn about(time: Duration, expected: Duration) -> bool {
    expected <= time && time < expected + Duration::from_millis(5)
}
