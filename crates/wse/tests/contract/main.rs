//! What npm wse's contract asks for and no other test of ours holds by itself, mostly with a server and a
//! client of ours at once. The table of all names of the contract stands in `names.txt`; the house check
//! holds it against the tests.

mod auth;
mod calls;
mod connections;
mod messaging;
