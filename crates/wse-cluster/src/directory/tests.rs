//! The directory against a plain model, and its memory.

use super::*;
use crate::NodeId;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn entry(number: u64, cid: &str, hop: u8) -> Entry {
    Entry {
        id: DeviceId::new(NodeId::new(9), number),
        cid: cid.into(),
        since: Hlc(number),
        hop,
        codec: 1,
        parked: false,
        session: true,
        trial: false,
    }
}

#[test]
fn a_device_is_at_one_node_and_a_user_is_forgotten_when_released() {
    let mut directory = Directory::new();
    let device = entry(5, "ann", 0);
    directory.insert(1, &device);
    let (ann, before) = directory.insert(2, &entry(5, "ann", 1));
    assert_eq!((before, directory.counts(), directory.count(ann)), (Some((1, device.clone())), (1, 1), 1));
    assert_eq!((directory.get(1, device.id), directory.remove(1, device.id)), (None, None));
    assert_eq!(directory.remove(2, device.id), Some((ann, entry(5, "ann", 1))));
    assert_eq!((directory.counts(), directory.find("ann")), ((0, 0), Some(ann)));
    directory.release(ann);
    assert_eq!(directory.find("ann"), None);
}

#[test]
fn a_user_and_a_device_take_forty_bytes_each() {
    assert_eq!((size_of::<Option<User>>(), size_of::<Option<Device>>()), (40, 40));
}

proptest! {
    /// Some devices of some users, put in and taken out at three nodes in any order.
    #[test]
    fn it_says_what_a_plain_map_says(steps in prop::collection::vec((0..3u16, 0..6u64, 0..3u8, any::<bool>()), 0..60)) {
        let mut directory = Directory::new();
        let mut model: BTreeMap<DeviceId, (Owner, Entry)> = BTreeMap::new();
        for (owner, number, hop, puts) in steps {
            let entry = entry(number, ["ann", "bob", "cid"][number as usize % 3], hop);
            if puts {
                let (_, before) = directory.insert(owner, &entry);
                prop_assert_eq!(before, model.insert(entry.id, (owner, entry)));
            } else {
                let has = model.get(&entry.id).is_some_and(|(other, _)| *other == owner);
                let gone = if has { model.remove(&entry.id).map(|(_, entry)| entry) } else { None };
                prop_assert_eq!(directory.remove(owner, entry.id).map(|(_, entry)| entry), gone);
            }
            for cid in ["ann", "bob", "cid"] {
                let user = directory.find(cid);
                let mut said: Vec<_> = user.map(|user| directory.devices(user)).unwrap_or_default();
                said.sort_by_key(|(_, entry)| entry.id);
                prop_assert_eq!(user.map_or(0, |user| directory.count(user)), said.len());
                let true_ones = model.values().filter(|(_, entry)| entry.cid.as_str() == cid);
                prop_assert_eq!(said, true_ones.cloned().collect::<Vec<_>>());
            }
            let cids: std::collections::BTreeSet<_> = model.values().map(|(_, entry)| entry.cid.clone()).collect();
            prop_assert_eq!(directory.counts(), (cids.len(), model.len()));
        }
    }
}
