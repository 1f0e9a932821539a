//! What others publish to a cluster without a connection: messages, calls and drops, as JSON over the engine.
//! The form of requests and answers is in the reference, so that any language can write it.

pub(crate) mod request;

use crate::{
    app::erased::{BoxFuture, caught},
    error::CallError,
    server::{
        Inner, Server,
        cluster::outside::request::{Asked, Request, read},
        users::deliver,
    },
};
use bytes::Bytes;
use futures_util::FutureExt;
use serde::Serialize;
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;
use wse_cluster::{DeviceId, Recipients};
use wse_proto::{Code, Format, Payload, RpError};

/// Whose devices a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of all nodes: one node has got the request.
    Cluster,
    /// Those of this node: every node has got the request.
    Here,
}

/// Takes the answer of a request.
pub type Reply = Box<dyn FnOnce(Bytes) + Send>;

/// Calls of others that may wait for devices at once.
const CALLS: usize = 256;

/// Serves what others ask for. Clones are the same.
#[derive(Clone)]
pub(crate) struct Outside {
    /// None where nobody may ask.
    server: Option<Weak<Inner>>,
    calls: Arc<Semaphore>,
}

impl Outside {
    pub(crate) fn new(server: Option<Weak<Inner>>) -> Self {
        Self { server, calls: Arc::new(Semaphore::new(CALLS)) }
    }

    pub(crate) fn serve(&self, request: &[u8], reach: Reach, reply: Option<Reply>) {
        let Some(server) = self.server.as_ref().and_then(Weak::upgrade).map(Server) else { return };
        let reply = reply.unwrap_or_else(|| Box::new(drop));
        // The application's `on_send` runs within it, and may panic.
        let served = caught(async { serve(&server, reach, request) }, |panic| {
            tracing::error!(%panic, "request from outside panicked");
            Outcome::Done(Answer::failed(&RpError::new(Code::RP_FAILED)))
        });
        match served.now_or_never() {
            Some(Outcome::Done(answer)) => reply(answer),
            Some(Outcome::Waits(answers)) => match self.calls.clone().try_acquire_owned() {
                Ok(permit) => drop(tokio::spawn(async move {
                    reply(answers.await);
                    drop(permit);
                })),
                Err(_) => reply(Answer::failed(&RpError::new(Code::RP_BUSY).message("too many calls from outside"))),
            },
            None => {} // never: nothing in it waits
        }
    }
}

/// What came of a request.
pub(crate) enum Outcome {
    /// It is done, and this is the answer.
    Done(Bytes),
    /// It waits for devices.
    Waits(BoxFuture<Bytes>),
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Devices(usize),
    Answers(Vec<OfDevice>),
    Error(Failure),
}

#[derive(Serialize)]
struct OfDevice {
    device: String,
    #[serde(flatten)]
    result: Result,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Result {
    Ok(Box<serde_json::value::RawValue>),
    Err(Failure),
}

#[derive(Serialize)]
struct Failure {
    code: String,
    message: String,
}

impl From<&RpError> for Failure {
    fn from(error: &RpError) -> Self {
        let message = error.message.clone().unwrap_or_else(|| error.to_string());
        Self { code: error.code.clone(), message }
    }
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        if let CallError::Failed(error) | CallError::NotRegistered(error) = error {
            return Self::from(error);
        }
        Self { code: error.code().to_owned(), message: error.to_string() }
    }
}

/// Does what a request asks for. Messages are taken and devices closed when it returns.
pub(crate) fn serve(server: &Server, reach: Reach, request: &[u8]) -> Outcome {
    match serve_or_fail(server, reach, request) {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::debug!(%error, "request from outside refused");
            Outcome::Done(Answer::failed(&error))
        }
    }
}

fn serve_or_fail(server: &Server, reach: Reach, bytes: &[u8]) -> std::result::Result<Outcome, RpError> {
    let Request { to, asked } = read(bytes, server.0.env.limits.message_bytes)?;
    let devices = match asked {
        Asked::Send { name, payload } => {
            let message = server.encode(name.as_str(), payload)?;
            let send = |to: &Recipients| match reach {
                Reach::Cluster => deliver::send_encoded(&server.0, to, &message).total(),
                Reach::Here => deliver::arrive(&server.0, to, &message).total(),
            };
            to.iter().map(send).sum()
        }
        Asked::Drop(closed) => {
            let end = |to: &Recipients| match reach {
                Reach::Cluster => deliver::end(&server.0, to, &closed),
                Reach::Here => deliver::end_here(&server.0, to, &closed),
            };
            to.iter().map(end).sum()
        }
        Asked::Call { .. } if reach == Reach::Here => {
            return Err(
                RpError::new(Code::RP_INVALID).message("this engine carries no answers, so nothing can be called")
            );
        }
        Asked::Call { name, payload, within } => {
            let within = within.unwrap_or(server.0.env.limits.rpc_timeout);
            let asking = to.iter().map(|to| deliver::ask(&server.0, to, &name, &payload).within(within).all());
            let asking = futures_util::future::join_all(asking);
            return Ok(Outcome::Waits(asking.map(|answers| answered(answers.into_iter().flatten())).boxed()));
        }
    };
    Ok(Outcome::Done(Answer::Devices(devices).bytes()))
}

fn answered(answers: impl Iterator<Item = (DeviceId, std::result::Result<Payload<'static>, CallError>)>) -> Bytes {
    let of_device = |(device, answer): (DeviceId, std::result::Result<Payload<'static>, CallError>)| {
        let result = match answer {
            Ok(result) => json(&result).map_or_else(|error| Result::Err(Failure::from(&error)), Result::Ok),
            Err(error) => Result::Err(Failure::from(&error)),
        };
        OfDevice { device: device.to_string(), result }
    };
    Answer::Answers(answers.map(of_device).collect()).bytes()
}

/// A payload as JSON, in which MessagePack may have no form.
fn json(payload: &Payload<'_>) -> std::result::Result<Box<serde_json::value::RawValue>, RpError> {
    let json = Payload::encode(Format::Json, payload)?;
    let text = String::from_utf8_lossy(json.as_bytes()).into_owned();
    serde_json::value::RawValue::from_string(text).map_err(RpError::from)
}

impl Answer {
    fn failed(error: &RpError) -> Bytes {
        Answer::Error(Failure::from(error)).bytes()
    }

    fn bytes(&self) -> Bytes {
        // It holds nothing that JSON has no form for.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}
