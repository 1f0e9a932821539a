//! The client, against a scripted server and against real ones.

mod abandoned;
mod addresses;
mod calls;
mod cancel;
mod close;
mod compression;
mod connect;
mod cookies;
mod events;
mod handlers;
mod handlers_value;
mod hooks;
mod jump;
mod listeners;
mod messaging_replayed;
mod persistent;
mod proxy;
mod reconnect;
mod replay;
mod replayed;
mod replayed5;
mod restart;
mod tls;
mod told;
mod upgrade;
mod wire;
