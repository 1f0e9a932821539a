//! The locks of what connections share. In the tests beside the code they are those of shuttle, which
//! runs its threads in thousands of orders; a test may use them within shuttle only.

#[cfg(test)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(test))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
