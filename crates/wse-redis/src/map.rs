//! Which master of a Redis Cluster has which slots, as `CLUSTER SLOTS` tells it.

use redis::Value;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Masters, and the slots of each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) masters: Vec<Address>,
    /// First and last slot, and the index of their master.
    slots: Vec<(u16, u16, usize)>,
}

/// More masters than this are not believed.
const MASTERS: usize = 1_000;

impl Map {
    /// The map of one server that has everything.
    pub(crate) fn single(address: Address) -> Self {
        Self { masters: vec![address], slots: vec![(0, u16::MAX, 0)] }
    }

    /// Reads an answer of a server at that host; servers without a host of their own are at the same.
    pub(crate) fn read(answer: &Value, host: &str) -> Option<Self> {
        let mut map = Self { masters: Vec::new(), slots: Vec::new() };
        for range in array(answer)? {
            let [first, last, master, ..] = array(range)? else { return None };
            let [name, port, ..] = array(master)? else { return None };
            let address = Address { host: host_of(name, host)?, port: number(port)? };
            let index = map.masters.iter().position(|known| *known == address).unwrap_or_else(|| {
                map.masters.push(address);
                map.masters.len() - 1
            });
            map.slots.push((number(first)?, number(last)?, index));
        }
        (1..=MASTERS).contains(&map.masters.len()).then_some(map)
    }

    /// The index of the master that has that slot.
    pub(crate) fn master_of(&self, slot: u16) -> Option<usize> {
        let range = self.slots.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        range.map(|(_, _, master)| *master)
    }
}

fn array(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

/// The name of a server: none, or an empty one, stands for where the answer came from; `?` for one that nobody
/// knows.
fn host_of(value: &Value, host: &str) -> Option<String> {
    let name = match value {
        Value::Nil => "",
        Value::BulkString(name) => std::str::from_utf8(name).ok()?,
        Value::SimpleString(name) => name,
        _ => return None,
    };
    match name {
        "" => Some(host.to_owned()),
        "?" => None,
        name => Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: Value, port: i64) -> Value {
        Value::Array(vec![name, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(Vec::new())])
    }

    fn range(first: i64, last: i64, servers: &[Value]) -> Value {
        Value::Array([&[Value::Int(first), Value::Int(last)], servers].concat())
    }

    fn named(name: &str, port: i64) -> Value {
        server(Value::BulkString(name.into()), port)
    }

    #[test]
    fn each_slot_has_its_master() {
        let answer = Value::Array(vec![
            range(0, 99, &[named("a", 1), named("replica", 9)]),
            range(100, 16_000, &[named("b", 1)]),
            range(16_200, 16_383, &[named("a", 1)]),
        ]);
        let map = Map::read(&answer, "h").unwrap();
        assert_eq!(map.masters, ["a", "b"].map(|host| Address { host: host.to_owned(), port: 1 }));
        let masters = [0, 99, 100, 16_000, 16_100, 16_383].map(|slot| map.master_of(slot));
        assert_eq!(masters, [Some(0), Some(0), Some(1), Some(1), None, Some(0)]);
    }

    #[test]
    fn a_server_without_a_name_is_where_the_answer_came_from() {
        for name in [Value::Nil, Value::BulkString(Vec::new()), Value::SimpleString(String::new())] {
            let map = Map::read(&Value::Array(vec![range(0, 9, &[server(name, 7)])]), "h").unwrap();
            assert_eq!(map.masters, [Address { host: "h".to_owned(), port: 7 }]);
        }
    }

    #[test]
    fn what_is_no_map_is_none() {
        let range_of = |value| Value::Array(vec![value]);
        for answer in [
            Value::Nil,
            Value::Array(Vec::new()),
            range_of(Value::Int(1)),
            range_of(range(0, 9, &[])),
            range_of(range(0, 99_999, &[named("a", 1)])),
            range_of(range(0, 9, &[named("?", 1)])),
            range_of(range(0, 9, &[named("a", -1)])),
            range_of(range(0, 9, &[server(Value::BulkString(vec![0xff]), 1)])),
        ] {
            assert_eq!(Map::read(&answer, "h"), None, "{answer:?}");
        }
    }
}
