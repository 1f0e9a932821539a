//! What a node says is to be done.

use crate::{DeviceId, Entry, Leaving, NodeId, Recipients};
use bytes::Bytes;
use wse_proto::Cid;

/// A call of this node to a device of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A session on its way between two nodes: the number that the taking node has given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TakeId(pub u64);

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To every node, the sender among them. Only beats and goodbyes.
    All,
    /// To the inbox of one node.
    Node(NodeId),
}

/// A datagram to be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub to: To,
    /// At most 64 KiB.
    pub datagram: Bytes,
}

/// How a call to another node ended. It is told exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// The device's node has answered: what its server wrote. It ran once.
    Answer(Bytes),
    /// The device is not there; nothing ran.
    Gone,
    /// The device's node is lost; it may have run or not.
    NodeLost,
    /// Its time is over; it may have run or not.
    TimedOut,
    /// This node reaches no other at this moment; nothing ran.
    Unreachable,
}

/// Why a node is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// It said goodbye.
    Bye,
    /// It was silent for too long.
    Silent,
    /// A newer node has its name.
    Replaced,
    /// Its devices and rooms take more memory than [`Config::entry_bytes`](crate::Config::entry_bytes).
    TooMuch,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A device of this node is one too many: close it. The node has forgotten it.
    Evict(DeviceId),
    /// The user is here: this node reports it.
    Joined(Cid),
    /// The user has left: this node reports it. How the last device left, if it is known.
    Left(Cid, Option<Leaving>),
    /// Another node has a device of this user more, less, or it is parked or back.
    Changed {
        /// The user.
        cid: Cid,
        /// The last device of the user, of all nodes, has left: whether with a goodbye.
        left: Option<bool>,
    },
    /// A message of another node for devices of this one.
    Deliver {
        /// The other node.
        from: NodeId,
        /// Who of them.
        to: Recipients,
        /// What the other server wrote.
        message: Bytes,
    },
    /// Close these devices of this node.
    Close {
        /// Which.
        devices: Vec<DeviceId>,
        /// How, as the other server wrote it.
        closed: Bytes,
    },
    /// Another node calls a device of this one. Every one of these is answered by [`Node::answer`](crate::Node::answer).
    Call {
        /// The calling node.
        from: NodeId,
        /// Its number there.
        id: CallId,
        /// The device, which was here when the call came.
        device: DeviceId,
        /// How much time it has.
        remaining_ms: u32,
        /// What the other server wrote.
        body: Bytes,
    },
    /// The other node does not want that answer any more.
    Cancel {
        /// The calling node.
        from: NodeId,
        /// Its number there.
        id: CallId,
    },
    /// A call of this node has ended.
    Ended(CallId, CallEnd),
    /// Another node asks for a session. It is answered by [`Node::give`](crate::Node::give).
    Take {
        /// The asking node.
        from: NodeId,
        /// Its number there.
        id: TakeId,
        /// The device whose session it is.
        device: DeviceId,
        /// What the other server wrote: the token and the like.
        body: Bytes,
    },
    /// A session that this node has asked for, with the node that gives it, or none. A session is answered by
    /// [`Node::accept`](crate::Node::accept).
    Taken(TakeId, Option<(NodeId, Entry, Bytes)>),
    /// A session that was given or offered is at the other node now: forget it. It may also be a device of this node
    /// which another one turns out to have, after a time in which the two did not reach each other.
    Moved {
        /// The device.
        device: DeviceId,
        /// Where it is.
        to: NodeId,
    },
    /// A session that was given did not arrive, and is this node's again: unless its device has left meanwhile.
    Returned(Entry),
    /// What another node sends to that device goes to the device's new node from here on. The old node and the new
    /// one are told.
    Seen {
        /// The sending node.
        from: NodeId,
        /// The device.
        device: DeviceId,
    },
    /// Another node offers a session, to be parked here. It is answered by [`Node::accept`](crate::Node::accept).
    Offered {
        /// The offering node.
        from: NodeId,
        /// Its number there.
        id: TakeId,
        /// The device.
        entry: Entry,
        /// What the other server wrote.
        body: Bytes,
    },
    /// A message from server to server that is none of the node's business.
    App {
        /// The other node.
        from: NodeId,
        /// What its server wrote.
        body: Bytes,
    },
    /// A node is there.
    Up(NodeId),
    /// A node is gone, and its devices with it.
    Down(NodeId, Down),
    /// This node does not hear itself any more.
    Deaf,
    /// It hears itself again.
    Back,
    /// So many messages for a node were given up, and may have arrived; or its link did not take them, because too much
    /// waited or it was broken, and they have not: those are told at most once a second.
    Gap {
        /// The node.
        to: NodeId,
        /// How many.
        sends: u64,
    },
    /// The engine says that the link is up, and yet nothing comes back: connect again.
    Reconnect,
}
