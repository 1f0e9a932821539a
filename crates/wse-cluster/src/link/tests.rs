//! Two ends of a link, without a bus.

mod acks;
mod anew;
mod any_input;
mod ends;
mod every_fault;
mod resend;
mod window;

use ends::Ends;
