//! The id by which the application knows a user. The empty id is never accepted.

use std::{fmt, sync::Arc};

/// A user's id, under which the application accepts a device. All devices with one cid are one user.
///
/// Cheap to clone. An integer becomes its decimal form, so `7` and `"7"` are the same user.
/// The empty cid can be constructed but is never accepted.
///
/// ```
/// use wse_proto::Cid;
///
/// assert_eq!(Cid::from(7), Cid::from("7"));
/// assert_eq!(Cid::from("ann").as_str(), "ann");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cid(Arc<str>);

impl Cid {
    /// The cid as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty cid, which no device is accepted as.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl std::borrow::Borrow<str> for Cid {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&Cid> for Cid {
    fn from(cid: &Cid) -> Self {
        cid.clone()
    }
}

impl From<&str> for Cid {
    fn from(text: &str) -> Self {
        Cid(text.into())
    }
}

impl From<&String> for Cid {
    fn from(text: &String) -> Self {
        Cid(text.as_str().into())
    }
}

impl From<String> for Cid {
    fn from(text: String) -> Self {
        Cid(text.into())
    }
}

macro_rules! from_integers {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Cid {
            fn from(number: $integer) -> Self {
                Cid(number.to_string().into())
            }
        }
    )*};
}
from_integers!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_text_are_one_user() {
        assert_eq!(Cid::from(-7), Cid::from("-7"));
        assert_eq!(Cid::from(u64::MAX), Cid::from("18446744073709551615".to_owned()));
    }

    #[test]
    fn only_the_empty_text_is_empty() {
        assert!(Cid::from("").is_empty());
        assert!(!Cid::from(0).is_empty());
        assert!(!Cid::from(" ").is_empty());
    }
}
