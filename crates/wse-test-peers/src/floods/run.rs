//! Runs a flood alone, and ends it in time.

use crate::time::WAIT;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{runtime, time::timeout};

/// Runs a test while no other of its file runs, so that it measures only itself.
pub fn alone(test: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { timeout(WAIT, test).await.expect("the flood has an end") });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Waits until something holds, which it must before the test's time is over.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(WAIT / 3, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
