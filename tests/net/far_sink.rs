//! A sink of another machine that takes nothing more.

use std::time::Duration;

use tapioca::identity::machine::Address;
use tapioca::plumb::far::Far;
use tapioca::plumb::far_part::FarSink;
use tapioca::stream::{Abort, Begin, Block, Fault, Item, Receipt, Sink, Upward};
use tapioca::wire::link::Alive;
use tapioca::wire::message::Request;

use crate::rig::Rig;

struct Nobody;

impl Upward for Nobody {
    fn receipt(&mut self, _receipt: Receipt) -> Result<(), Fault> {
        Ok(())
    }
}

/// Whoever clears up behind it speaks to nobody: asked again why, a machine that has said so answers no more, and
/// that would be waited for.
#[test]
fn it_is_asked_once_why() {
    let rig = Rig::new();
    rig.enrol("web");
    rig.program("act", "#!/bin/sh\nexit 4\n");
    let address = Address { host: rig.address.ip().to_string(), port: rig.address.port() };
    let request = Request { words: vec!["act".into()], ..Request::default() };
    let alive = Alive::dead_after(Duration::from_secs(45));
    let mut sink = FarSink::new(Far { address, home: rig.at("web"), alive, request });
    let begin = Begin { name: "sample".into(), kind: "raw".into(), ..Begin::default() };
    sink.item(Item::Begin(begin), &mut Nobody).unwrap();
    let pieces = (0_u64..100_000)
        .map(|n| Item::Data { offset: n * 4096, block: Block::copy_of(&[0; 4096]) });
    let fault = pieces.map(|piece| sink.item(piece, &mut Nobody)).find_map(Result::err).unwrap();
    assert!(fault.what.contains("status 4"), "it says why: {fault}");
    let abort = Abort { who: "upstream".into(), why: fault.to_string() };
    sink.item(Item::Abort(abort), &mut Nobody).unwrap();
}
