//! A payload of JSON text, where a test writes one down.

use wse_proto::Payload;

pub(crate) fn json(text: impl AsRef<str>) -> Payload<'static> {
    Payload::json(text.as_ref()).expect("a test writes JSON").into_owned()
}
