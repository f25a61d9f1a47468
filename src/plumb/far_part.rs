//! A source or sink of another machine as a part of a chain here.
//!
//! Owns its edges: frames in the handles of a link instead of pipes, receipts both ways, its words on our
//! standard error, and its verdict, which says more than the cut edge that it leaves behind.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::far::{self, Far};
use super::link_part::{LinkSink, LinkSource};
use super::pipe::ReceiptLines;
use crate::stream::{Blame, Fault, Item, Outlet, Receipt, Sink, Source, Upward};
use crate::wire::Link;
use crate::wire::link::{HandleReader, HandleWriter};
use crate::wire::message::{RECEIPTS_FROM_BELOW, RECEIPTS_UP, STDERR, STDIN, STDOUT};

/// The longest line of another machine's standard error that is shown at once, bytes.
const LINE_BYTES_MAX: u64 = 4096;

/// Shows what the component says, line by line, with the machine's name before it.
fn show_words(name: String, from: HandleReader) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!((&mut from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            eprintln!("{name}: {}", text.trim_end_matches('\n'));
            line.clear();
        }
    });
}

fn call(far: &Far) -> Result<Link, Fault> {
    let link = far.call()?;
    show_words(far.address.to_string(), link.reader(STDERR));
    Ok(link)
}

/// What the component itself says, where all we saw is that it is gone.
fn better_told(link: &Link, fault: Fault) -> Fault {
    if fault.blame != Blame::Neighbour {
        return fault;
    }
    link.stop(&fault);
    match far::verdict_within(link, Duration::from_secs(10)) {
        Some(Err(theirs)) => theirs,
        _ => fault,
    }
}

/// A sink elsewhere.
pub struct FarSink {
    far: Far,
    running: Option<(Link, LinkSink)>,
    left_out: u64,
}

impl FarSink {
    /// Will run the sink that `far` names.
    pub fn new(mut far: Far) -> FarSink {
        far.request.receipts_up = true;
        FarSink { far, running: None, left_out: 0 }
    }

    fn start(&self) -> Result<(Link, LinkSink), Fault> {
        let link = call(&self.far)?;
        let sink = LinkSink::new(link.writer(STDIN), Some(link.reader(RECEIPTS_UP)));
        Ok((link, sink))
    }

    /// It takes nothing more; why. It says so once, so whatever is still to be told it goes nowhere.
    fn is_gone(&mut self, fault: Fault) -> Fault {
        let Some((link, _)) = self.running.take() else { return fault };
        let fault = better_told(&link, fault);
        link.fail(fault.clone());
        fault
    }
}

impl Sink for FarSink {
    fn item(&mut self, item: Item, up: &mut dyn Upward) -> Result<(), Fault> {
        match &item {
            Item::Begin(_) if self.running.is_none() => self.running = Some(self.start()?),
            Item::Abort(_) if self.running.is_none() => return Ok(()),
            _ => {}
        }
        let no_begin = || Fault::stream("the stream does not start with its begin");
        let (_, sink) = self.running.as_mut().ok_or_else(no_begin)?;
        sink.item(item, up).map_err(|fault| self.is_gone(fault))?;
        let Some((link, _)) = self.running.take_if(|(_, sink)| sink.is_over()) else {
            return Ok(());
        };
        self.left_out = far::verdict(&link)?;
        far::finish(&link)
    }

    fn tick(&mut self, now: Duration, up: &mut dyn Upward) -> Result<(), Fault> {
        self.running.as_mut().map_or(Ok(()), |(_, sink)| sink.tick(now, up))
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        Ok(self.left_out)
    }
}

/// A source elsewhere.
pub struct FarSource {
    far: Far,
    link: Option<Link>,
    receipts: ReceiptLines<HandleWriter>,
}

impl FarSource {
    /// Will run the source that `far` names; it is told of receipts if there are to be any.
    pub fn new(mut far: Far, receipts: bool) -> FarSource {
        far.request.receipts_from_below = receipts;
        FarSource { far, link: None, receipts: ReceiptLines(None) }
    }
}

impl Source for FarSource {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let link = call(&self.far)?;
        self.receipts.0 =
            self.far.request.receipts_from_below.then(|| link.writer(RECEIPTS_FROM_BELOW));
        let link = self.link.insert(link);
        LinkSource::new(link.reader(STDOUT)).run(out).map_err(|fault| better_told(link, fault))
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        self.receipts.receipt(receipt.clone())?;
        up.receipt(receipt)
    }

    fn finish(&mut self) -> Result<u64, Fault> {
        self.receipts.0 = None;
        let Some(link) = self.link.take() else { return Ok(0) };
        let left_out = far::verdict(&link)?;
        far::finish(&link)?;
        Ok(left_out)
    }
}
