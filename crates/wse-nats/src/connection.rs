//! One connection to one NATS server, with all subscriptions of a node.

use crate::subjects::Subjects;
use async_nats::{Client, ConnectOptions, Event, Message, ServerAddr, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{error::Elapsed, timeout},
};
use wse::cluster::{Arrivals, Reach, Reply, To};

/// A server has so long to answer in each step of the way to a link.
const PATIENCE: Duration = Duration::from_secs(2);
/// A datagram that cannot be handed over for so long is dropped: its sender sends it again.
const PUBLISH: Duration = Duration::from_millis(100);
/// Datagrams that wait to be written. What waits when a connection breaks is lost, or comes late.
const WRITES: usize = 64;
/// Datagrams of one subject that wait to be read.
const READS: usize = 1024;
/// The largest datagram.
const DATAGRAM: usize = 64 << 10;

/// A connection whose subscriptions are in force.
pub(crate) struct Connection {
    client: Arc<Client>,
    inbox: Subscriber,
    all: Subscriber,
    nobody: Subscriber,
    /// Where others may ask.
    outside: Option<Subscriber>,
    fate: Arc<Fate>,
}

/// What the library has told of a connection.
#[derive(Default)]
struct Fate {
    lost: Notify,
    /// The last error that the server has named.
    error: Mutex<Option<String>>,
}

impl Connection {
    /// Connects and subscribes. The error says what went wrong, in the words of the server if there are any.
    ///
    /// The library connects again by itself, and loses what it held while it does; this one attempt of it is
    /// overtaken by dropping the connection.
    pub(crate) async fn open(server: &ServerAddr, options: &ConnectOptions, own: &Subjects) -> Result<Self, String> {
        let fate = Arc::new(Fate::default());
        let told = Arc::clone(&fate);
        let options = options
            .clone()
            .name("wse")
            .connection_timeout(PATIENCE)
            .max_reconnects(1)
            .client_capacity(WRITES)
            .subscription_capacity(READS)
            .event_callback(move |event| {
                told.on(event);
                std::future::ready(())
            });
        let client = timeout(2 * PATIENCE, options.connect(server.clone())).await;
        let client = client.map_err(no_answer)?.map_err(|error| error.to_string())?;
        let limit = client.server_info().max_payload;
        if limit < DATAGRAM {
            return Err(format!("its max_payload is {limit}, less than {DATAGRAM}"));
        }
        match timeout(PATIENCE, Self::subscribe(client, own, Arc::clone(&fate))).await {
            Ok(connection) => connection,
            Err(_) => Err(fate.error().unwrap_or_else(|| "no answer after the login".to_owned())),
        }
    }

    /// Subscribes, and waits for a message of its own: then the server has all subscriptions.
    async fn subscribe(client: Client, own: &Subjects, fate: Arc<Fate>) -> Result<Self, String> {
        let subscribe = async |subject| client.subscribe(subject).await.map_err(|error| error.to_string());
        let inbox = subscribe(own.inbox()).await?;
        let all = subscribe(own.of_datagram(To::All)).await?;
        let mut nobody = subscribe(own.nobody_at_all()).await?;
        let outside = match own.is_open() {
            // one of the servers takes each request
            true => {
                Some(client.queue_subscribe(own.outside(), "wse".to_owned()).await.map_err(|error| error.to_string())?)
            }
            false => None,
        };
        client.publish(own.probe(), Bytes::new()).await.map_err(|error| error.to_string())?;
        nobody.next().await.ok_or_else(|| fate.error().unwrap_or_else(lost))?;
        Ok(Self { client: Arc::new(client), inbox, all, nobody, outside, fate })
    }

    /// Where the cluster of NATS servers can be reached as well.
    pub(crate) fn others(&self) -> Vec<String> {
        self.client.server_info().connect_urls
    }

    /// What publishes, beside [`Connection::read`].
    pub(crate) fn publisher(&self) -> Publisher {
        Publisher { client: Arc::clone(&self.client), fate: Arc::clone(&self.fate) }
    }

    /// Hands on what comes, until the connection is lost. Returns why.
    pub(crate) async fn read(mut self, arrivals: &Arrivals, own: &Subjects) -> String {
        loop {
            let arrived = tokio::select! {
                message = self.inbox.next() => message.map(|message| arrivals.arrived(own_bytes(&message))),
                message = self.all.next() => message.map(|message| arrivals.arrived(own_bytes(&message))),
                message = next(&mut self.outside) => message.map(|message| ask(&message, arrivals, &self.client)),
                message = self.nobody.next() => message.map(|message| hint(&message, arrivals, own)),
                () = self.fate.lost.notified() => None,
            };
            if arrived.is_none() {
                return self.fate.error().unwrap_or_else(lost);
            }
        }
    }
}

/// Publishes on a connection.
pub(crate) struct Publisher {
    client: Arc<Client>,
    fate: Arc<Fate>,
}

impl Publisher {
    /// Publishes a datagram, unless that is not possible at once.
    ///
    /// What is for one node names a subject for the answer. No node answers; the server does when nobody has
    /// subscribed to the inbox. That costs some 40 bytes a datagram and nothing here.
    pub(crate) async fn publish(&self, to: To, datagram: Bytes, own: &Subjects) {
        let subject = own.of_datagram(to);
        // what is late or refused is sent again, as is what gets lost on the way
        let _ = match to {
            To::All => timeout(PUBLISH, self.client.publish(subject, datagram)).await,
            To::Node(node) => {
                timeout(PUBLISH, self.client.publish_with_reply(subject, own.nobody(node), datagram)).await
            }
        };
    }

    /// Waits until all is handed to the operating system, for a moment.
    pub(crate) async fn flush(&self) {
        let _ = timeout(PATIENCE, self.client.flush()).await;
    }

    /// The last error that the server has named.
    pub(crate) fn error(&self) -> Option<String> {
        self.fate.error()
    }
}

impl Fate {
    fn on(&self, event: Event) {
        match event {
            Event::Disconnected | Event::Closed => self.lost.notify_one(),
            Event::ServerError(error) => {
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
            _ => {}
        }
    }

    fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The bytes of a message without the buffer they were read into, which may be far larger.
fn own_bytes(message: &Message) -> Bytes {
    Bytes::copy_from_slice(&message.payload)
}

/// The next message of a subscription, if there is one.
async fn next(subscriber: &mut Option<Subscriber>) -> Option<Message> {
    match subscriber {
        Some(subscriber) => subscriber.next().await,
        None => std::future::pending().await,
    }
}

/// Hands on a request from outside. Its answer is lost with the connection.
fn ask(message: &Message, arrivals: &Arrivals, client: &Arc<Client>) {
    let reply = message.reply.clone().map(|subject| -> Reply {
        let client = Arc::downgrade(client);
        Box::new(move |answer| {
            let Some(client) = client.upgrade() else { return };
            tokio::spawn(async move { drop(timeout(PUBLISH, client.publish(subject, answer)).await) });
        })
    });
    arrivals.outside(&message.payload, Reach::Cluster, reply);
}

/// Reads what the server answers when nobody listens.
fn hint(message: &Message, arrivals: &Arrivals, own: &Subjects) {
    if message.status == Some(StatusCode::NO_RESPONDERS)
        && let Some(node) = own.node_of(&message.subject)
    {
        arrivals.nobody(node);
    }
}

fn no_answer(_: Elapsed) -> String {
    "no answer".to_owned()
}

fn lost() -> String {
    "connection lost".to_owned()
}
