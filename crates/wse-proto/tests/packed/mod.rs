//! JSON text as MessagePack, token by token: keys stay as often and in the order they stand, and a
//! number beyond every double becomes infinite.

use rmp::encode as put;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

pub(crate) fn packed(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    value(json, &mut out);
    out
}

fn value(json: &str, out: &mut Vec<u8>) {
    match json.trim_start().as_bytes()[0] {
        b'{' => {
            let Pairs(pairs) = parse(json);
            put::write_map_len(out, pairs.len() as u32).expect("into memory");
            for (key, inner) in pairs {
                put::write_str(out, &key).expect("into memory");
                value(inner.get(), out);
            }
        }
        b'[' => {
            let list: Vec<Box<RawValue>> = parse(json);
            put::write_array_len(out, list.len() as u32).expect("into memory");
            list.iter().for_each(|inner| value(inner.get(), out));
        }
        b'"' => put::write_str(out, &parse::<String>(json)).expect("into memory"),
        b'n' => put::write_nil(out).expect("into memory"),
        b't' | b'f' => put::write_bool(out, parse(json)).expect("into memory"),
        _ => match (json.parse::<u64>(), json.parse::<i64>()) {
            (Ok(number), _) => put::write_uint(out, number).map(drop).expect("into memory"),
            (_, Ok(number)) => put::write_sint(out, number).map(drop).expect("into memory"),
            _ => put::write_f64(out, json.parse().expect("a number")).expect("into memory"),
        },
    }
}

fn parse<T: for<'de> Deserialize<'de>>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Pairs(Vec::new());
                while let Some(pair) = map.next_entry()? {
                    pairs.0.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}
