//! Records on the raw partition `meta`, by the crate that writes them so that a power cut leaves them whole.

use slots::Slots;

use super::keep::{Keep, Kept, Kind};
use crate::stream::{Blame, Fault};

fn kind_of(kind: Kind) -> slots::Kind {
    match kind {
        Kind::Identity => slots::Kind::Identity,
        Kind::Administrator => slots::Kind::Administrator,
        Kind::Settings => slots::Kind::Settings,
        Kind::Boot => slots::Kind::Boot,
        Kind::Reset => slots::Kind::Reset,
        Kind::TimeFloor => slots::Kind::TimeFloor,
    }
}

fn fault(error: slots::Error) -> Fault {
    Fault::later(Blame::Host, format!("meta: {error}"))
}

impl Keep for Slots {
    fn back(&self, kind: Kind, n: u32) -> Result<Option<Kept>, Fault> {
        let record = Slots::back(self, kind_of(kind), n).map_err(fault)?;
        Ok(record.map(|record| Kept { generation: record.generation, payload: record.payload }))
    }

    fn write(&mut self, kind: Kind, payload: &[u8]) -> Result<u64, Fault> {
        Slots::write(self, kind_of(kind), payload).map_err(fault)
    }
}
