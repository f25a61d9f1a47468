//! The start: steps, each with a deadline.
//!
//! Owns their order. A step that fails or is late is said, and the next one is taken: a box that lacks its disk
//! or its network still has a console. A late step goes on by itself, and what comes of it counts.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use board::machine::{Machine, Start};
use disk::Found;
use kmod::Loaded;

use super::keeper::{Event, Shared};
use super::message::{Step, cut};
use super::{data, feed, meta, mounts, say};
use crate::steward::client::Steward;
use crate::steward::message::{Answer, Ask, SOCKET};
use crate::stream::Fault;

const MODULES: &str = "/modules";
const LIST: &str = "/modules.list";
/// How long the steward may take to listen.
const REPORT_WAIT: Duration = Duration::from_secs(60);

/// What the steps share.
struct World {
    machine: Machine,
    shared: Arc<Shared>,
    to: Sender<Event>,
    found: Mutex<Option<Found>>,
}

impl World {
    fn disk(&self) -> Result<Found, String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone().ok_or_else(|| "there is no disk".into())
    }
}

type Outcome = Result<String, String>;

struct Phase {
    name: &'static str,
    deadline: Duration,
    take: fn(&World) -> Outcome,
}

const fn phase(name: &'static str, deadline_s: u64, take: fn(&World) -> Outcome) -> Phase {
    Phase { name, deadline: Duration::from_secs(deadline_s), take }
}

/// All of them, in order.
const PHASES: &[Phase] = &[
    phase("mounts", 5, |_| mounts::mount_all().map(|()| String::new())),
    phase("early", 10, |_| load(&["early"])),
    phase("storage", 20, |_| load(&["storage"])),
    phase("firmware", 5, |_| mounts::mount_firmware().map(|()| String::new())),
    phase("disk", 10, find),
    phase("meta", 20, |world| meta::heed(&world.disk()?)),
    phase("console", 5, |world| children(world, Start::Early)),
    phase("data", 60, bring),
    phase("devices", 60, |_| load(&["tape", "net", "platform"])),
    phase("watchdog", 5, watch),
    phase("lock", 5, |_| mounts::lock().map(|()| String::new())),
    phase("children", 5, |world| children(world, Start::Ready)),
];

/// Takes the steps on a thread of its own.
pub(super) fn begin(machine: Machine, shared: Arc<Shared>, to: Sender<Event>) -> Result<(), Fault> {
    let world = Arc::new(World { machine, shared, to, found: Mutex::new(None) });
    let thread = std::thread::Builder::new().name("start".into());
    let spawned = thread.spawn(move || {
        for phase in PHASES {
            take(&world, phase);
        }
        say("started");
        report(&world.shared);
    });
    spawned.map(drop).map_err(|e| Fault::host("cannot start a thread", &e))
}

/// Tells the steward how the machine started.
fn report(shared: &Shared) {
    let begun = Instant::now();
    let boot = shared.boot();
    loop {
        let told = Steward::connect(Path::new(SOCKET))
            .and_then(|mut steward| steward.ask(&Ask::Booted(boot.clone())));
        match told {
            Ok(Answer::Refused { what, .. }) => return say(&format!("not remembered: {what}")),
            Ok(_) => return,
            Err(fault) if begun.elapsed() > REPORT_WAIT => {
                return say(&format!("this start is not remembered: {fault}"));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn take(world: &Arc<World>, phase: &'static Phase) {
    let begun = Instant::now();
    let (to, from) = mpsc::channel();
    let inner = world.clone();
    let thread = std::thread::Builder::new().name(phase.name.into());
    let spawned = thread.spawn(move || {
        // Nobody listens any more if it is late.
        let _late = to.send((phase.take)(&inner));
    });
    let outcome = match spawned {
        Ok(_) => from.recv_timeout(phase.deadline).unwrap_or_else(|_| {
            Err(format!("not done after {} s; going on without", phase.deadline.as_secs()))
        }),
        Err(error) => Err(format!("cannot start a thread: {error}")),
    };
    let ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    let name = phase.name;
    match &outcome {
        Ok(what) if what.is_empty() => say(&format!("{name} ok {ms} ms")),
        Ok(what) => say(&format!("{name} ok {ms} ms ({what})")),
        Err(wrong) => say(&format!("{name} FAILED {ms} ms: {wrong}")),
    }
    let wrong = cut(outcome.err().as_deref().unwrap_or(""));
    world.shared.step(Step { name: cut(name), ms, wrong });
}

/// Loads the modules of some groups.
fn load(groups: &[&str]) -> Outcome {
    let text = match fs::read_to_string(LIST) {
        // A kernel that has everything built in needs none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok("none".into()),
        read => read.map_err(|e| format!("{LIST}: {e}"))?,
    };
    let (modules, strange) = kmod::list(&text);
    let mut wrong: Vec<String> = strange.iter().map(|line| format!("{LIST}: {line:?}")).collect();
    let mut count = 0;
    for module in modules.iter().filter(|module| groups.contains(&module.group.as_str())) {
        match kmod::load(Path::new(MODULES), module) {
            Ok(Loaded::Now) => count += 1,
            Ok(Loaded::Before) => {}
            Ok(Loaded::NoDevice) if !module.required => {}
            Ok(Loaded::NoDevice) => wrong.push(format!("{} finds no device", module.file)),
            Err(error) => wrong.push(format!("{}: {error}", module.file)),
        }
    }
    if wrong.is_empty() { Ok(format!("{count} modules")) } else { Err(wrong.join("; ")) }
}

fn find(world: &World) -> Outcome {
    let found = data::find(&world.machine)?;
    let name = found.disk.display().to_string();
    *world.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    Ok(name)
}

fn bring(world: &World) -> Outcome {
    data::bring(&world.machine, &world.disk()?)
}

fn watch(world: &World) -> Outcome {
    feed::arm(&world.machine.watchdog, world.shared.clone())
}

fn children(world: &World, start: Start) -> Outcome {
    world.to.send(Event::Begin(start)).map_err(|_| "nobody keeps children".to_owned())?;
    Ok(String::new())
}
