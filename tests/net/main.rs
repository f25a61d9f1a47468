//! Components of other machines: the bytes, who may, what is refused, and what a cut link leaves behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(dead_code, reason = "a rig has more than each test uses")]

#[path = "../tapicom/books.rs"]
mod books;
mod cuts;
mod echo;
mod enrolment;
mod far_sink;
mod handles;
mod hostile;
mod hosts;
#[path = "../common/pam.rs"]
mod pam;
mod pictures;
mod rig;
#[path = "../tapicom/served.rs"]
mod served;
mod service;
mod tapicom;
mod tls;
