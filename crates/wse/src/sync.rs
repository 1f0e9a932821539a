//! The locks that guard what connections share. In the tests beside the code they are shuttle's, which
//! runs the threads of a test in thousands of orders. A test may use them within shuttle only.

#[cfg(test)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
