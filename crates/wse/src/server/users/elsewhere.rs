//! The devices of other nodes that are asked, as one call of the application. Each ends by itself, and with its node.

use crate::{
    app::erased::BoxFuture,
    error::{CallError, SendError},
    server::{
        cluster::{
            asking::{self, SentCall, server_of},
            codecs::format_of,
            member::Member,
            message::call,
        },
        users::encoded::Encoded,
    },
};
use futures_util::{FutureExt, future::ready};
use serde::de::DeserializeOwned;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use wse_cluster::{DeviceId, NodeId, Recipients, Scope};
use wse_proto::{EncodeError, Format};

/// Devices that are called by one frame.
const AT_ONCE: usize = 4096;

/// What comes next of those who are asked.
pub(crate) enum Progress<R> {
    Answered(DeviceId, Result<R, CallError>),
    /// Another node has said which devices it asks.
    More(Vec<Asked<R>>),
}

pub(crate) type Asked<R> = BoxFuture<Progress<R>>;

/// The recipients that are devices of other nodes.
#[derive(Clone)]
pub(crate) struct Elsewhere {
    member: Arc<Member>,
    to: Recipients,
    /// Those that this node knows, and the formats that they speak.
    devices: Vec<(DeviceId, Format)>,
    /// The nodes that know who of their devices are recipients.
    nodes: Vec<NodeId>,
    /// What all of them speak, as a set of bits.
    codecs: u8,
}

impl Elsewhere {
    /// Those that there are at this moment; `None` for none.
    pub(crate) fn of(member: &Arc<Member>, to: &Recipients) -> Option<Self> {
        let codecs = member.look(|node, _| node.codecs(to));
        let mut elsewhere =
            Self { member: member.clone(), to: to.clone(), devices: Vec::new(), nodes: Vec::new(), codecs };
        member.look(|node, _| match &to.scope {
            Scope::Room(room) => elsewhere.nodes = node.nodes_of_room(room),
            Scope::User(cid) => elsewhere.add(node.devices_of(cid).iter()),
            Scope::Device(id) => elsewhere.add(node.device(*id).iter()),
            Scope::Everyone => node.each_elsewhere(|_, devices| elsewhere.add(devices.iter())),
        });
        (!elsewhere.devices.is_empty() || !elsewhere.nodes.is_empty()).then_some(elsewhere)
    }

    fn add<'a>(&mut self, devices: impl Iterator<Item = &'a (NodeId, wse_cluster::Entry)>) {
        let (node, to) = (self.member.id(), &self.to);
        let wanted = devices.filter(|(at, device)| *at != node && !to.leaves_out(device.id, &device.cid));
        self.devices.extend(wanted.map(|(_, device)| (device.id, format_of(device.codec))));
    }

    /// The formats that they speak.
    pub(crate) fn formats(&self) -> impl Iterator<Item = Format> + Clone + use<> {
        let codecs = self.codecs;
        (0..8).filter(move |codec| codecs & 1 << codec != 0).map(format_of)
    }

    /// Sends the call to all of them whom this node knows, and asks the other nodes for the rest.
    pub(crate) fn ask<R>(self, call: Result<Encoded, Box<str>>, within: Duration) -> Vec<Asked<R>>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let (call, until) = (Arc::new(call), Instant::now().checked_add(within));
        let mut asking = called(&self.member, &self.devices, &call, within);
        let nodes = self.nodes.clone();
        asking
            .extend(nodes.into_iter().map(|node| self.clone().ask_members(node, call.clone(), until, within).boxed()));
        asking
    }

    /// Asks a node for the members of the room, and calls them.
    async fn ask_members<R>(
        self,
        node: NodeId,
        call: Arc<Result<Encoded, Box<str>>>,
        until: Option<Instant>,
        within: Duration,
    ) -> Progress<R>
    where
        R: DeserializeOwned + Send + 'static,
    {
        let devices = match self.members(node, within).await {
            Ok(devices) => devices,
            Err(error) => return Progress::Answered(server_of(node), Err(error)),
        };
        let left = until.map_or(within, |until| until.saturating_duration_since(Instant::now()));
        Progress::More(called(&self.member, &devices, &call, left))
    }

    async fn members(&self, node: NodeId, within: Duration) -> Result<Vec<(DeviceId, Format)>, CallError> {
        let Scope::Room(room) = &self.to.scope else { return Ok(Vec::new()) };
        let members = asking::members(&self.member, node, room, within).await?;
        let known = self.member.look(|node, _| {
            let known = members.iter().filter_map(|id| node.device(*id));
            let wanted = known.filter(|(_, device)| !self.to.leaves_out(device.id, &device.cid));
            wanted.map(|(_, device)| (device.id, format_of(device.codec))).collect()
        });
        Ok(known)
    }

    /// The ids of all of them. The nodes that do not say it in time, or are lost, have none.
    pub(crate) async fn ids(self, within: Duration) -> Vec<DeviceId> {
        let members = self.nodes.iter().map(|node| self.members(*node, within));
        let members = futures_util::future::join_all(members).await;
        self.devices.iter().chain(members.iter().flatten().flatten()).map(|(id, _)| *id).collect()
    }
}

/// Calls devices of other nodes, in the format of each.
fn called<R>(
    member: &Arc<Member>,
    devices: &[(DeviceId, Format)],
    call: &Result<Encoded, Box<str>>,
    within: Duration,
) -> Vec<Asked<R>>
where
    R: DeserializeOwned + Send + 'static,
{
    let mut asking = Vec::with_capacity(devices.len());
    for format in [Format::Json, Format::MessagePack] {
        let devices: Vec<_> = devices.iter().filter(|(_, speaks)| *speaks == format).map(|(id, _)| *id).collect();
        for devices in devices.chunks(AT_ONCE) {
            match sent(member, devices, call, (format, within)) {
                Ok(calls) => asking.extend(devices.iter().zip(calls).map(|(device, call)| {
                    let device = *device;
                    call.result().map(move |result| Progress::Answered(device, result)).boxed()
                })),
                Err(why) => {
                    let failed = |device| Progress::Answered(device, Err(CallError::Send(why.error())));
                    asking.extend(devices.iter().map(|device| ready(failed(*device)).boxed()));
                }
            }
        }
    }
    asking
}

/// Why a call was sent to none of some devices.
enum NotSent {
    Unencoded(Box<str>),
    TooBig(usize),
}

impl NotSent {
    fn error(&self) -> SendError {
        match self {
            NotSent::Unencoded(why) => EncodeError::new(&**why).into(),
            NotSent::TooBig(bytes) => SendError::TooBig(*bytes),
        }
    }
}

fn sent(
    member: &Arc<Member>,
    devices: &[DeviceId],
    call: &Result<Encoded, Box<str>>,
    (format, within): (Format, Duration),
) -> Result<Vec<SentCall>, NotSent> {
    let call = call.as_ref().map_err(|why| NotSent::Unencoded(why.clone()))?;
    let payload = call.payload(format).map_err(|error| NotSent::Unencoded(error.to_string().into()))?;
    let body = call::of_procedure(call.name(), payload);
    let bytes = body.len();
    asking::call(member, devices, within, body).map_err(|_| NotSent::TooBig(bytes))
}
