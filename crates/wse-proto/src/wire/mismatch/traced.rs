//! Reads a value a second time, and notes the way to what is being read. It passes on everything that
//! the deserializer and the type say to each other, and changes nothing.

use crate::wire::mismatch::{Step, Trace};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor},
};
use std::{fmt, marker::PhantomData};

/// Where a value is not of type `T`, and what was expected there; `None` where it is.
pub(crate) fn fault<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Option<String> {
    let mut trace = Trace::default();
    let seed = PhantomData::<T>;
    let _ = trace.within(Step::Whole, |trace| Traced { inner: seed, trace }.deserialize(deserializer));
    trace.into_fault()
}

/// A deserializer, visitor, seed or access, with the way to its value.
struct Traced<'t, T> {
    inner: T,
    trace: &'t mut Trace,
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Traced<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Traced { inner: deserializer, trace: self.trace })
    }
}

macro_rules! pass_on {
    ($($method:ident: $wanted:expr,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.trace.want($wanted);
            self.inner.$method(Traced { inner: visitor, trace: self.trace })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Traced<'_, D> {
    type Error = D::Error;

    pass_on! {
        deserialize_i8: "i8", deserialize_i16: "i16", deserialize_i32: "i32", deserialize_i64: "i64",
        deserialize_u8: "u8", deserialize_u16: "u16", deserialize_u32: "u32", deserialize_u64: "u64",
        deserialize_i128: "i128", deserialize_u128: "u128", deserialize_f32: "f32", deserialize_f64: "f64",
        deserialize_bool: "a boolean", deserialize_char: "a character", deserialize_unit: "null",
        deserialize_str: "a string", deserialize_string: "a string", deserialize_identifier: "a name",
        deserialize_bytes: "bytes", deserialize_byte_buf: "bytes",
        deserialize_seq: "an array", deserialize_map: "an object",
        deserialize_any: "", deserialize_option: "", deserialize_ignored_any: "",
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, Traced { inner: visitor, trace: self.trace })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, Traced { inner: visitor, trace: self.trace })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(length, Traced { inner: visitor, trace: self.trace })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple_struct(name, length, Traced { inner: visitor, trace: self.trace })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.trace.tell_names(fields);
        self.inner.deserialize_struct(name, fields, Traced { inner: visitor, trace: self.trace })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.trace.tell_names(variants);
        self.trace.want("a variant");
        self.inner.deserialize_enum(name, variants, Traced { inner: visitor, trace: self.trace })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Traced<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool, visit_i8: i8, visit_i16: i16, visit_i32: i32, visit_i64: i64, visit_i128: i128,
        visit_u8: u8, visit_u16: u16, visit_u32: u32, visit_u64: u64, visit_u128: u128,
        visit_f32: f32, visit_f64: f64, visit_char: char,
        visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.trace.read_text(text);
        self.inner.visit_str(text)
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        self.trace.read_text(text);
        self.inner.visit_borrowed_str(text)
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<V::Value, E> {
        self.trace.read_text(&text);
        self.inner.visit_string(text)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Traced { inner, trace: self.trace })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Traced { inner, trace: self.trace })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Elements { inner, trace: self.trace, index: 0 })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Entries { inner, trace: self.trace, step: Step::Unnamed })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Traced { inner, trace: self.trace })
    }
}

struct Elements<'t, A> {
    inner: A,
    trace: &'t mut Trace,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        // A struct may be written as the list of its fields.
        let name = self.trace.names().get(self.index);
        let step = name.map_or(Step::Index(self.index), |name| Step::Named(name));
        self.index += 1;
        let inner = &mut self.inner;
        self.trace.within(step, |trace| inner.next_element_seed(Traced { inner: seed, trace }))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

struct Entries<'t, A> {
    inner: A,
    trace: &'t mut Trace,
    /// To the value whose key was read.
    step: Step,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let (inner, names) = (&mut self.inner, self.trace.names());
        let key = self.trace.within(Step::Whole, |trace| {
            trace.tell_names(names);
            inner.next_key_seed(Traced { inner: seed, trace })
        });
        self.step = self.trace.named();
        key
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let inner = &mut self.inner;
        self.trace.within(self.step, |trace| inner.next_value_seed(Traced { inner: seed, trace }))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 't, A: EnumAccess<'de>> EnumAccess<'de> for Traced<'t, A> {
    type Error = A::Error;
    type Variant = Variant<'t, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let Self { inner, trace } = self;
        let names = trace.names();
        let (tag, inner) = trace.within(Step::Whole, |trace| {
            trace.tell_names(names);
            inner.variant_seed(Traced { inner: seed, trace })
        })?;
        let step = trace.named();
        Ok((tag, Variant { inner, trace, step }))
    }
}

struct Variant<'t, A> {
    inner: A,
    trace: &'t mut Trace,
    step: Step,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variant<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.trace.within(self.step, |_| self.inner.unit_variant())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.trace.within(self.step, |trace| self.inner.newtype_variant_seed(Traced { inner: seed, trace }))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.trace.within(self.step, |trace| self.inner.tuple_variant(length, Traced { inner: visitor, trace }))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.trace.within(self.step, |trace| {
            trace.tell_names(fields);
            self.inner.struct_variant(fields, Traced { inner: visitor, trace })
        })
    }
}
