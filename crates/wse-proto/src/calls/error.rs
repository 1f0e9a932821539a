//! The error that a procedure fails with, here and on the wire. The text of an error that is not meant
//! for the peer must not be sent.

use crate::{
    calls::code::Code,
    wire::{
        depth::DEPTH,
        error::DecodeError,
        payload::{Format, Payload},
    },
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::{RawValue, to_raw_value};
use std::{borrow::Cow, fmt};

/// A call's name and payload are repeated in the details of its error, unless they are longer than this.
const REPEATED: usize = 16 << 10;

/// The payload is left out also when it nests deeper than this. The details are nested in the error, and
/// the error in the envelope, and a reader ends the connection over a frame that nests too deep.
const DEPTH_IN_DETAILS: u8 = DEPTH - 3;

/// The text that a peer gets in place of an error that is not meant for it.
const HIDDEN: &str = "RPC execution failed";

/// The message of an exposed error whose text is empty.
const WORDLESS: &str = "Unexpected error";

/// The failure of a procedure or handler: a code to compare, a text, details.
///
/// An error that is made by [`RpError::new`] is sent to the peer whole. An error that `?` makes from
/// any other error is sent as `wse.server.rp.failed`, without the text of that error, unless a
/// [`message`](RpError::message) is added for the peer; the application finds the whole error in its
/// own event and log. Like `anyhow::Error` it is therefore no `std::error::Error` itself.
///
/// ```
/// use wse_proto::RpError;
///
/// fn half(n: i64) -> Result<i64, RpError> {
///     if n % 2 == 1 { return Err(RpError::new("ODD").message("cannot halve").details(&n)) }
///     Ok(n / 2)
/// }
/// fn parse(text: &str) -> Result<i64, RpError> { Ok(text.parse::<i64>()?) }
///
/// assert_eq!(half(3).unwrap_err().code, "ODD");
/// assert_eq!(parse("x").unwrap_err().code, "wse.server.rp.failed");
/// ```
pub struct RpError {
    /// The code, to be compared.
    pub code: String,
    /// A text for people; absent when the failing side gave none.
    pub message: Option<String>,
    details: Option<Payload<'static>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl RpError {
    /// A failure with a code of its own.
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), message: None, details: None, source: None }
    }

    /// A failure that consists of details only: its code is `wse.server.rp.failed`.
    pub fn bare<T: Serialize + ?Sized>(details: &T) -> Self {
        Self::new(Code::RP_FAILED).message(HIDDEN).details(details)
    }

    /// The same with a text for people.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(text.into());
        self
    }

    /// The same with details. On the wire the fields of an object are followed by the procedure's name,
    /// as `rp` and `rpc`, and by the call's `payload`, unless the object has such a field with a value
    /// that JavaScript takes for true. Anything but an object stands in the field `value`. Details that
    /// do not encode are left out.
    pub fn details<T: Serialize + ?Sized>(mut self, details: &T) -> Self {
        self.details = Payload::encode(Format::Json, details).ok();
        self
    }

    /// The details, decoded; `None` when there are none.
    ///
    /// # Errors
    /// When they are not of that type.
    pub fn decode_details<T: DeserializeOwned>(&self) -> Result<Option<T>, DecodeError> {
        self.details.as_ref().map(Payload::decode).transpose()
    }

    /// The procedure that failed, as the details of an error that was read name it: `rp`, or else `rpc`,
    /// which is what npm `wse` 4 writes.
    pub fn rp(&self) -> Option<String> {
        let Details(fields) = self.details.as_ref()?.decode().ok()?;
        let text = |name: &str| serde_json::from_str::<String>(last(&fields, name)?.get()).ok();
        text("rp").or_else(|| text("rpc"))
    }

    /// The error of a call to another procedure, as the answer to the call that this handler answers: code,
    /// text and details stay. What the details repeat of the other call, its name as `rp` and `rpc` and its
    /// `payload`, is left out.
    pub fn without_call(mut self) -> Self {
        if let Some(Details(mut fields)) = self.details.as_ref().and_then(|details| details.decode().ok()) {
            fields.retain(|(name, _)| !matches!(name.as_str(), "rp" | "rpc" | "payload"));
            self.details = (!fields.is_empty()).then(|| Payload::encode(Format::Json, &Details(fields)).ok()).flatten();
        }
        self
    }

    /// The error that `?` made this from, if it did. It is not sent.
    pub fn source(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }

    /// The text that a peer may read: the message, or the code where there is none. With `expose` also
    /// the text of a [`source`](RpError::source).
    pub(crate) fn shown(&self, expose: bool) -> Cow<'_, str> {
        match (&self.source, &self.message) {
            (Some(source), _) if expose => source.to_string().into(),
            (_, Some(message)) => message.into(),
            (Some(_), None) => HIDDEN.into(),
            (None, None) => (&self.code).into(),
        }
    }

    /// The payload of the answer to a call of `rp` with `payload`. With `expose` it has the text of the
    /// [`source`](RpError::source) too.
    pub fn answer(&self, rp: &str, payload: &Payload<'_>, expose: bool) -> Payload<'static> {
        let mut details = Details::of(self.details.as_ref());
        let said = self.source.is_some() || self.message.is_some();
        let mut message = said.then(|| self.shown(expose));
        if let (Some(source), true) = (&self.source, expose) {
            details.set("origin", &Origin { name: "Error", message: &source.to_string() });
            message = message.filter(|text| !text.is_empty()).or(Some(WORDLESS.into()));
        }
        if rp.len() <= REPEATED {
            details.fill("rp", rp);
            details.fill("rpc", rp);
        }
        if payload.as_bytes().len() <= REPEATED
            && let Ok(payload) = payload.translated(Format::Json)
            && payload.depth() <= DEPTH_IN_DETAILS
        {
            details.fill("payload", &payload);
        }
        ErrorObject { code: &self.code, message: message.as_deref(), details: Some(details) }.encode()
    }

    /// The error as another server is to [read](RpError::read) it: code, text and details as they are. The error
    /// that it was made from stays here, and details that have no form in JSON are left out.
    pub fn write(&self) -> Payload<'static> {
        let Self { code, message, details, .. } = self;
        let whole = Whole { code, message: message.as_deref(), details: details.as_ref() };
        let bare = Whole { details: None, ..whole };
        // Without the details it consists of strings, so it always encodes.
        let payload = Payload::encode(Format::Json, &whole).or_else(|_| Payload::encode(Format::Json, &bare));
        payload.unwrap_or_else(|_| Payload::null(Format::Json))
    }

    /// The payload of the answer to a call of `rp`, which is not registered: the code, and the name in
    /// the details.
    pub(crate) fn not_registered(rp: &str) -> Payload<'static> {
        let details = (rp.len() <= REPEATED).then(|| {
            let mut details = Details(Vec::new());
            details.set("rp", rp);
            details
        });
        ErrorObject { code: Code::RP_NOT_REGISTERED, message: None, details }.encode()
    }

    /// Reads the payload of a failed call. A payload that is not an error object becomes the details of
    /// `wse.server.rp.failed`.
    pub fn read(payload: &Payload<'_>) -> Self {
        let json = payload.translated(Format::Json);
        let fields = json.ok().and_then(|payload| payload.decode().ok());
        let Details(fields) = fields.unwrap_or(Details(Vec::new()));
        let field = |name: &str| last(&fields, name);
        let text = |name: &str| serde_json::from_str::<String>(field(name)?.get()).ok();
        match text("code") {
            Some(code) => {
                let details = field("details").map(|details| Payload::raw(details).into_owned());
                Self { code, message: text("message"), details, source: None }
            }
            None => Self::of_details(payload),
        }
    }

    /// The failure whose details are this payload.
    pub(crate) fn of_details(payload: &Payload<'_>) -> Self {
        Self { details: Some(payload.clone().into_owned()), ..Self::new(Code::RP_FAILED) }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for RpError {
    fn from(error: E) -> Self {
        Self { source: Some(Box::new(error)), ..Self::new(Code::RP_FAILED) }
    }
}

impl fmt::Display for RpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        match (&self.source, &self.message) {
            (Some(source), _) => write!(f, ": {source}"),
            (None, Some(message)) => write!(f, ": {message}"),
            (None, None) => Ok(()),
        }
    }
}

impl fmt::Debug for RpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("RpError");
        f.field("code", &self.code).field("message", &self.message);
        f.field("source", &self.source).finish_non_exhaustive() // the details may repeat a payload
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

impl ErrorObject<'_> {
    fn encode(&self) -> Payload<'static> {
        // It consists of strings and raw JSON, so it always encodes.
        Payload::encode(Format::Json, self).unwrap_or_else(|_| Payload::null(Format::Json))
    }
}

/// An error with its details as they are.
#[derive(Clone, Copy, Serialize)]
struct Whole<'a> {
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Payload<'static>>,
}

#[derive(Serialize)]
struct Origin<'a> {
    name: &'a str,
    message: &'a str,
}

/// The fields of the details in their order, each value as it was written.
struct Details(Vec<Field>);

type Field = (String, Box<RawValue>);

/// The value of a field. As in JavaScript, the last of several fields of one name counts.
fn last<'a>(fields: &'a [Field], name: &str) -> Option<&'a RawValue> {
    fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| &**value)
}

/// Whether JavaScript takes a value for true.
fn is_truthy(value: &RawValue) -> bool {
    match value.get() {
        "null" | "false" | "\"\"" => false,
        text => serde_json::from_str::<f64>(text).map_or(true, |number| number != 0.0),
    }
}

impl Details {
    fn of(details: Option<&Payload<'_>>) -> Self {
        let Some(details) = details else { return Details(Vec::new()) };
        let json = details.translated(Format::Json).ok();
        json.and_then(|details| details.decode().ok()).unwrap_or_else(|| {
            let mut fields = Details(Vec::new());
            fields.set("value", details);
            fields
        })
    }

    /// Sets a field, unless the application has set it to a value that JavaScript takes for true.
    fn fill<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if !last(&self.0, name).is_some_and(is_truthy) {
            self.set(name, value);
        }
    }

    fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.0.retain(|(existing, _)| existing != name);
        if let Ok(value) = to_raw_value(value) {
            self.0.push((name.to_owned(), value));
        }
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DetailsVisitor;
        impl<'de> Visitor<'de> for DetailsVisitor {
            type Value = Details;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Details, A::Error> {
                let mut fields = Details(Vec::new());
                while let Some(entry) = map.next_entry()? {
                    fields.0.push(entry);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(DetailsVisitor)
    }
}

#[cfg(test)]
mod tests;
