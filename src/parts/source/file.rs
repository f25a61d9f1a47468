//! `src_file`: a stream out of a file that `sink_file` wrote.
//!
//! Checks every frame on the way, and that nothing follows the end. Marks, layers and identity are
//! as they were; what the stream's first source left out is still counted in its end.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::stream::frame::FrameReader;
use crate::stream::{Blame, Course, Fault, Inlet, Item, Outlet, Source};

/// Plays a stored stream.
pub struct StreamFile {
    path: PathBuf,
}

impl StreamFile {
    /// Plays the stream in `path`.
    pub fn new(path: PathBuf) -> StreamFile {
        StreamFile { path }
    }

    fn within(&self, fault: Fault) -> Fault {
        // Nobody is at the other end of a file: what is cut is the file.
        Fault {
            what: format!("{}: {}", self.path.display(), fault.what),
            blame: Blame::Peer,
            ..fault
        }
    }

    fn at_its_end(&self, mut file: &File) -> Result<(), Fault> {
        let more = file.read(&mut [0]).map_err(|e| self.unreadable(&e))?;
        match more {
            0 => Ok(()),
            _ => Err(self.within(Fault::never(Blame::Host, "bytes follow the stream's end"))),
        }
    }

    fn unreadable(&self, error: &std::io::Error) -> Fault {
        Fault::host(format_args!("cannot read {}", self.path.display()), error)
    }
}

impl Source for StreamFile {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let file = File::open(&self.path).map_err(|e| self.unreadable(&e))?;
        let mut inlet = FrameReader::new(&file);
        let mut course = Course::new();
        loop {
            let item = inlet.take().map_err(|fault| self.within(fault))?;
            course.note(&item);
            match item {
                Item::End(end) if course.is_over() => {
                    self.at_its_end(&file)?;
                    out.put(Item::End(end))?;
                    return Ok(0);
                }
                Item::Abort(abort) if course.is_over() => {
                    let what = format!("{} gave up: {}", abort.who, abort.why);
                    return Err(self.within(Fault::never(Blame::Peer, what)));
                }
                item => out.put(item)?,
            }
        }
    }
}
