//! Running a funnel or a tee, whatever its edges are made of.
//!
//! Owns the loops every plumber shares, as [`run`](super::run) does for components with one edge on
//! each side, and what a side of a tee is. Knows nothing of descriptors.

use std::sync::mpsc::Receiver;

use super::run::{Below, Followed, TICK, Verdict, upstream_gave_up};
use crate::stream::{
    Abort, Berths, Course, Fault, Funnel, Item, Outlet, Patience, Receipt, Sides, Tee, Upward,
};

/// Where the receipts for an input go.
pub type Up = Box<dyn Upward + Send>;

/// Runs a funnel until its last receipt. Returns how many streams were left out.
pub fn funnel(
    who: &str,
    funnel: &mut dyn Funnel,
    berths: &mut dyn Berths,
    count: usize,
    mut out: impl Outlet,
    below: &Below,
    ups: Vec<Up>,
) -> Verdict {
    let mut ups = Ups(ups.into_iter().map(Some).collect());
    let mut followed = Followed::new(&mut out);
    let joined = join(funnel, berths, count, &mut followed, below, &mut ups);
    let left_out = joined.inspect_err(|fault| followed.leave_abort(who, fault))?;
    drop(out);
    while let Some(receipt) = below.last_ones()? {
        ups.pass(funnel, receipt);
    }
    Ok(left_out)
}

fn join(
    funnel: &mut dyn Funnel,
    berths: &mut dyn Berths,
    count: usize,
    out: &mut dyn Outlet,
    below: &Below,
    ups: &mut Ups,
) -> Verdict {
    funnel.begin(count, out)?;
    let mut waiting = Vec::new();
    while berths.look(TICK, &mut waiting)? {
        while let Some(receipt) = below.waiting()? {
            ups.pass(funnel, receipt);
        }
        if let Some(berth) = funnel.choose(&waiting) {
            funnel.item(berth, berths.take(berth), out)?;
        }
    }
    funnel.end(out)
}

/// Receipt channels, one an input. One whose reader is gone is closed and harms no other.
struct Ups(Vec<Option<Up>>);

impl Ups {
    fn pass(&mut self, funnel: &dyn Funnel, receipt: Receipt) {
        let Some(berth) = funnel.berth_of(receipt.stream) else { return };
        let Some(slot) = self.0.get_mut(berth) else { return };
        if let Some(Err(error)) = slot.as_mut().map(|up| up.receipt(receipt)) {
            tracing::debug!(%error, input = berth + 1, "nobody hears the receipts of this input");
            *slot = None;
        }
    }
}

/// A side of a tee.
pub trait Side: Outlet + Send {
    /// Waits until all that was put is taken, and there is more to come.
    fn settle(&mut self) -> Result<(), Fault>;

    /// Waits until all that was put is taken.
    fn close(self: Box<Self>) -> Result<(), Fault>;
}

/// Receipts from below the sides of a tee.
pub type BelowSides = Receiver<(usize, Result<Receipt, Fault>)>;

/// The sides that are left.
struct Left {
    sides: Vec<Option<Box<dyn Side>>>,
    /// What passed each, so that an abort is the edge's.
    courses: Vec<Course>,
}

impl Sides for Left {
    fn put(&mut self, side: usize, item: Item) -> Result<(), Fault> {
        self.courses[side].note(&item);
        self.attempt(side, |open| open.put(item))
    }

    fn settle(&mut self, side: usize) -> Result<(), Fault> {
        self.attempt(side, |open| open.settle())
    }
}

impl Left {
    fn attempt(
        &mut self,
        side: usize,
        step: impl FnOnce(&mut Box<dyn Side>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let gone = || Fault::neighbour("it is closed");
        let open = self.sides.get_mut(side).and_then(Option::as_mut).ok_or_else(gone)?;
        let done = step(open);
        if done.is_ok() {
            return done;
        }
        // The side knows better why it failed than what it says to one that puts.
        let closed = self.sides[side].take().map_or(Ok(()), Side::close);
        closed.and(done)
    }

    fn leave_abort(&mut self, who: &str, fault: &Fault) {
        for (side, course) in self.sides.iter_mut().zip(&self.courses) {
            let Some(side) = side.as_mut().filter(|_| !course.is_over()) else { continue };
            let abort = Item::Abort(Abort { who: who.into(), why: fault.to_string() });
            let own = course.turn().and(course.mux()).map(Item::Turn);
            let told = own.into_iter().chain([abort]).try_for_each(|item| side.put(item));
            if let Err(error) = told {
                tracing::debug!(%error, "nobody reads our abort");
            }
        }
    }

    fn close(&mut self, tee: &mut dyn Tee) -> Result<(), Fault> {
        for nth in 0..self.sides.len() {
            if let Some(Err(fault)) = self.sides[nth].take().map(Side::close) {
                tee.lost(nth, fault)?;
            }
        }
        Ok(())
    }
}

/// Runs a tee until its last receipt. Returns how many things were left out.
pub fn tee(
    who: &str,
    tee: &mut dyn Tee,
    inlet: &mut dyn Patience,
    sides: Vec<Box<dyn Side>>,
    below: &BelowSides,
    up: &mut dyn Upward,
) -> Verdict {
    let courses = vec![Course::new(); sides.len()];
    let mut left = Left { sides: sides.into_iter().map(Some).collect(), courses };
    let parted = part(tee, inlet, &mut left, below, up).and_then(|()| left.close(tee));
    if let Err(fault) = parted {
        left.leave_abort(who, &fault);
        // They must have it before they are gone with us.
        left.sides.into_iter().flatten().for_each(|side| {
            if let Err(error) = side.close() {
                tracing::debug!(%error, "closing a side after a fault");
            }
        });
        return Err(fault);
    }
    while let Ok((side, receipt)) = below.recv() {
        hear(tee, side, receipt, up)?;
    }
    tee.finish()
}

fn part(
    tee: &mut dyn Tee,
    inlet: &mut dyn Patience,
    left: &mut Left,
    below: &BelowSides,
    up: &mut dyn Upward,
) -> Result<(), Fault> {
    let mut course = Course::new();
    while !course.is_over() {
        let item = inlet.take_within(TICK)?;
        while let Ok((side, receipt)) = below.try_recv() {
            hear(tee, side, receipt, up)?;
        }
        let Some(item) = item else { continue };
        course.note(&item);
        match item {
            Item::Abort(abort) if course.is_over() => return Err(upstream_gave_up(&abort)),
            item => tee.item(item, left)?,
        }
    }
    Ok(())
}

fn hear(
    tee: &mut dyn Tee,
    side: usize,
    receipt: Result<Receipt, Fault>,
    up: &mut dyn Upward,
) -> Result<(), Fault> {
    match receipt {
        Ok(receipt) => tee.receipt(side, receipt, up),
        Err(fault) => tee.lost(side, fault),
    }
}
