//! The frames of a session that began at another server.

use super::{Full, Sent};
use crate::session::aging::FrameAge;

/// One or more places of frames that another server has sent, for [`Sent::continued`].
#[derive(Debug, PartialEq, Eq)]
pub enum Kept<F> {
    /// A frame, and how it ages.
    Frame(F, Option<FrameAge>),
    /// So many places were given up.
    GivenUp(u64),
}

/// The greatest count: every number up to it is exact in a double too.
pub(super) const COUNT: u64 = (1 << 53) - 1;

impl<F: AsRef<[u8]>> Sent<F> {
    /// The frames of a session that began at another server, whose peer has acknowledged so many: what
    /// [`again`](Self::again) gave there. No connection has had any of them.
    ///
    /// # Errors
    /// [`Full`] where they do not fit, or are more than can be counted.
    pub fn continued(
        limit: usize,
        can_skip: bool,
        acknowledged: u64,
        kept: impl IntoIterator<Item = Kept<F>>,
    ) -> Result<Self, Full> {
        let mut all = Self { sent: acknowledged, acknowledged, ..Self::new(limit, can_skip) };
        for kept in kept {
            let places = if let Kept::GivenUp(places) = kept { places } else { 1 };
            let behind = all.sent.checked_add(places).filter(|behind| *behind <= COUNT);
            let behind = behind.ok_or(Full(all.sent))?;
            match kept {
                Kept::Frame(frame, None) => _ = all.push(frame)?,
                Kept::Frame(frame, Some(age)) => {
                    all.aging(); // before the frame is counted
                    let number = all.push(frame)?;
                    all.aging().note(number, age);
                }
                Kept::GivenUp(places) => {
                    let first = all.sent + 1;
                    all.aging().give_up_run(first, places);
                    all.sent = behind;
                }
            }
            if all.bytes() > limit {
                return Err(Full(all.sent));
            }
        }
        all.wrote(acknowledged);
        Ok(all)
    }
}
