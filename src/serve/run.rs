//! The service from its start to its end.
//!
//! Owns the order of things: the state folder, the catalogue, the devices, then those who come in, and last
//! the netplumber; and the way back. A service that cannot go on ends, and whoever keeps it starts it again.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::config::{self, Config};
use super::devices::{Devices, Names};
use super::doors::Doors;
use super::metrics;
use super::notify::Notifier;
use super::notify::post::Patience;
use super::pull::Pull;
use super::rebuild::Asked;
use super::session::Room;
use super::shell::{Happen, Happening, Limits, Shell, send};
use super::supervise::{Kept, Program};
use super::talk::{Talk, USUAL_POOL};
use super::upkeep;
use super::visitors;
use super::world::World;
use crate::authority::state::{Settings, State};
use crate::catalogue::record::{
    Change, Credential, JobId, Machine, NewSet, Pool, Record, Right, Seconds, User,
};
use crate::catalogue::{Catalogue, Commit, Keeper};
use crate::library::{Scribe, SyncEvery};
use crate::plumb::visit::Visit;
use crate::stream::{Blame, Fault};
use crate::tapicom::ask::ByPlumb;
use crate::tapicom::door::{ADMINISTRATOR, CONSOLE};

/// Streams' bytes that wait for their turn on one drive.
const WAITING_BYTES: usize = 128 << 20;
/// The least bytes of a turn.
const TURN_BYTES: u64 = 256 << 20;
/// How long the loop may take to say where a machine is.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked whether everything runs.
const LOOK: Duration = Duration::from_millis(200);
/// How often the authority is told the time.
const TICK: Duration = Duration::from_secs(1);
/// How long jobs may take to come to a sync point at the end.
const GRACE: Duration = Duration::from_secs(5);

/// How long backups of the usual pool are safe from being overwritten.
const RETENTION_S: Seconds = 30 * 86_400;

/// Names in the state folder.
pub struct Places {
    /// The catalogue.
    pub catalogue: PathBuf,
    /// What is on its way into it.
    pub spool: PathBuf,
    /// The netplumber's folder.
    pub netplumber: PathBuf,
    /// Where visitors are brought.
    pub socket: PathBuf,
    /// Identities with clients that are asked.
    pub identities: PathBuf,
}

impl Places {
    /// Those of a state folder.
    pub fn of(state: &Path) -> Places {
        Places {
            catalogue: state.join("catalogue.redb"),
            spool: state.join("spool"),
            netplumber: state.join("netplumber"),
            socket: state.join("tapicom.sock"),
            identities: state.join("identities"),
        }
    }

    fn make(&self, state: &Path) -> Result<(), Fault> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in [state, &self.spool, &self.netplumber, &self.identities] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|e| Fault::host(format!("cannot make {}", folder.display()), &e))?;
        }
        Ok(())
    }
}

/// What a service is given beside its configuration.
pub struct Given {
    /// This executable.
    pub program: PathBuf,
    /// The time and identities.
    pub scribe: Scribe,
    /// What a virtual library is like that has to be made; none: as usual.
    pub shape: Option<virt::Shape>,
    /// Told once clients are accepted.
    pub ready: Box<dyn FnOnce()>,
}

/// What the netplumber lets machines do here: command the authority, give and take streams of their jobs.
fn gluepot(socket: &Path) -> String {
    let entry = |name: &str, may: &str| {
        format!(
            "[[component]]\nname = {name:?}\nsocket = {:?}\nmay = [{may}]\n\n",
            socket.display().to_string()
        )
    };
    let job = "\"--job {number}\"";
    [entry("tapicom", ""), entry("sink_job", job), entry("src_job", job)].concat()
}

fn open_catalogue(path: &Path) -> Result<Catalogue, Fault> {
    match path.exists() {
        true => Catalogue::open(path),
        false => Catalogue::create(path),
    }
}

/// All records. A catalogue that has not what every one has gets it: the pool that backups go to unless another is
/// named, and the box itself, whose records are kept as well.
fn load(catalogue: &mut Catalogue) -> Result<Vec<Record>, Fault> {
    let mut records = catalogue.load()?;
    let new = missing(&records);
    if !new.is_empty() {
        let changes = new.iter().map(|record| Change::Put(Box::new(record.clone()))).collect();
        catalogue.commit(Commit { changes, ..Commit::default() })?;
        records.extend(new);
    }
    Ok(records)
}

fn missing(records: &[Record]) -> Vec<Record> {
    let mut new = Vec::new();
    if !records.iter().any(|record| matches!(record, Record::Pool(_))) {
        new.push(Record::Pool(Pool {
            name: USUAL_POOL.into(),
            retention_s: RETENTION_S,
            new_set: NewSet::Never,
            takes_blank: true,
            copy_to: None,
        }));
    }
    let is_own = |record: &Record| matches!(record, Record::Machine(m) if m.name == CONSOLE);
    if !records.iter().any(is_own) {
        let (name, address, quota_bytes) = (CONSOLE.into(), None, None);
        new.push(Record::Machine(Machine { name, address, quota_bytes, jobs_max: 1 }));
    }
    new
}

fn named(doors: &Doors) -> Names {
    Names { drives: doors.names(), changer: doors.robot(), in_order: doors.order_is_given() }
}

/// The administrator has the password that is set outside, whatever the catalogue remembers.
fn put_administrator(
    catalogue: &mut Catalogue,
    records: &mut Vec<Record>,
    file: &Path,
) -> Result<(), Fault> {
    let credential = Credential::Here(super::config::secret(file)?.to_string());
    let user = User {
        name: ADMINISTRATOR.into(),
        credential,
        rights: Right::ALL.into_iter().collect(),
        machines: BTreeSet::new(),
        disabled: false,
    };
    let user = Record::User(user);
    if records.contains(&user) {
        return Ok(());
    }
    tracing::info!("{ADMINISTRATOR} has the password of the box");
    let changes = vec![Change::Put(Box::new(user.clone()))];
    catalogue.commit(Commit { changes, ..Commit::default() })?;
    records.retain(|record| !matches!(record, Record::User(user) if user.name == ADMINISTRATOR));
    records.push(user);
    Ok(())
}

/// The devices; where none is named those of a virtual library, which is made if it is not there.
fn devices(config: &Config, shape: Option<virt::Shape>) -> Result<Names, Fault> {
    let Some(folder) = &config.devices.embedded else {
        let config = &config.devices;
        let (drives, changer) = (config.drives.clone(), config.changer.clone());
        return Ok(Names { drives, changer, in_order: true });
    };
    let library = match (folder.exists(), shape) {
        (true, _) => virt::Library::open(folder),
        (false, Some(shape)) => virt::Library::create(folder, &shape),
        (false, None) => {
            let media = (1..=20).map(|n| virt::MediumSpec::data(&format!("TAP{n:03}L9"), 4 << 30));
            let cleaner = virt::MediumSpec::data("CLN001L1", 0);
            let cleaner = virt::MediumSpec { kind: virt::MediumKind::Cleaning, ..cleaner };
            let media = media.chain([cleaner]).collect();
            virt::Library::create(folder, &virt::Shape { media, ..virt::Shape::default() })
        }
    };
    let library = library.map_err(|e| {
        let what = format!("cannot use the virtual library {}: {e}", folder.display());
        Fault::later(Blame::Host, what)
    })?;
    let (drives, changer) = (library.drives(), Some(library.changer_name()));
    Ok(Names { drives, changer, in_order: true })
}

/// Serves until a signal ends it.
///
/// # Errors
///
/// What keeps it from going on; whoever started it starts it again.
pub fn run(config: Config, mut given: Given) -> Result<(), Fault> {
    let places = Places::of(&config.state);
    places.make(&config.state)?;
    let doors = config.devices.doors.clone().map(|doors| Doors::new(doors, &config.state));
    let devices = Arc::new(match &doors {
        Some(doors) => Devices::behind_doors(named(doors), given.scribe),
        None => Devices::open(devices(&config, given.shape.take())?, given.scribe),
    });
    let rebuilt = match Asked::of(config.rebuild.as_deref(), &config.state)? {
        Some(asked) => {
            asked.carry_out(&places.catalogue, &devices, config.devices.doors.as_ref())?
        }
        None => Vec::new(),
    };
    let mut catalogue = open_catalogue(&places.catalogue)?;
    let mut records = load(&mut catalogue)?;
    if let Some(file) = &config.administrator_file {
        put_administrator(&mut catalogue, &mut records, file)?;
    }
    let (keeper, thread) = Keeper::start(catalogue)?;
    let streams_max = usize::try_from(config.limits.streams_per_drive).unwrap_or(usize::MAX);
    let settings = Settings { streams_max, ..Settings::default() };
    let pulse = upkeep::Pulse::default();
    upkeep::begin(devices.clone(), keeper.reader().clone(), pulse.clone())?;
    let state = State::new(records, settings);
    let limits = limits(&config.limits, streams_max);
    let pull = Pull { home: places.identities.clone(), dead_after: Duration::from_secs(45) };
    let (happen, happenings) = unbounded_channel();
    let reader = keeper.reader().clone();
    let accounts =
        ByPlumb { home: pull.home.clone(), address: Box::new(address_of(happen.clone())) };
    let talk = Talk::new(happen.clone(), reader, places.netplumber.clone(), Arc::new(accounts))?;
    let way = (places.spool.clone(), pull);
    let notifier =
        Notifier::start(config.mail.as_ref(), config.webhook.as_ref(), Patience::default())?;
    let world = World::new(notifier, config.zone.clone());
    let take = world.counter(happen.clone(), places.catalogue.clone());
    let metrics =
        config.metrics.map(|at| metrics::Server::start(at, take, metrics::Limits::default()));
    let _metrics = metrics.transpose()?;
    let devices = (devices, doors);
    let mut shell = Shell::new(state, keeper, devices, way, (limits, world), happen.clone())?;
    shell.tell(&rebuilt);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Fault::host("cannot start the service", &e))?;
    let served = runtime.block_on(serve(
        shell,
        &config,
        &places,
        (given, pulse),
        (Arc::new(talk), happen),
        happenings,
    ));
    drop(runtime);
    if thread.join().is_err() {
        tracing::error!("the catalogue's thread died");
    }
    served
}

fn limits(limits: &config::Limits, streams_max: usize) -> Limits {
    Limits {
        room: Room { streams: streams_max, memory_bytes: WAITING_BYTES, turn_bytes: TURN_BYTES },
        sync: SyncEvery {
            bytes: limits.sync_memory_mib << 20,
            time: Duration::from_secs(limits.sync_s),
        },
        records_copy_s: seconds(limits.records_copy_s),
        verify_after_s: seconds(limits.verify_after_s),
    }
}

fn seconds(count: u64) -> Seconds {
    Seconds::try_from(count).unwrap_or(Seconds::MAX)
}

async fn serve(
    mut shell: Shell,
    config: &Config,
    places: &Places,
    (given, pulse): (Given, upkeep::Pulse),
    (talk, happen): (Arc<Talk>, Happen),
    mut happenings: UnboundedReceiver<Happening>,
) -> Result<(), Fault> {
    let cannot = |e: std::io::Error| Fault::host("cannot wait for signals", &e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    shell.start()?;
    visitors::receive(&places.socket, move |visit| arrive(&talk, &happen, visit))?;
    let mut netplumber = netplumber(config, places, &given)?;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    (given.ready)();
    pulse.begun();
    loop {
        tokio::select! {
            happening = happenings.recv() => match happening {
                Some(happening) => {
                    if !shell.happens(happening)? {
                        break;
                    }
                }
                None => break,
            },
            _ = looks.tick() => {
                if let Some(status) = netplumber.look() {
                    tracing::error!(%status, "the netplumber ended");
                    pulse.begun();
                }
                if ticked.elapsed() >= TICK {
                    ticked = Instant::now();
                    shell.tick()?;
                }
            }
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    netplumber.end();
    shell.end(GRACE);
    netplumber.wait(GRACE);
    Ok(())
}

fn netplumber(config: &Config, places: &Places, given: &Given) -> Result<Kept, Fault> {
    let manifest = places.netplumber.join("gluepot.toml");
    std::fs::write(&manifest, gluepot(&places.socket))
        .map_err(|e| Fault::host(format!("cannot write {}", manifest.display()), &e))?;
    let words: Vec<OsString> = vec![
        "netplumber".into(),
        "--folder".into(),
        places.netplumber.clone().into(),
        "--listen".into(),
        config.listen.to_string().into(),
        "--drain-s".into(),
        "2".into(),
        "--kept-by".into(),
        std::process::id().to_string().into(),
    ];
    Ok(Kept::new(Program { name: "netplumber", path: given.program.clone(), words }))
}

/// Where the netplumber of a machine is, as the authority knows.
fn address_of(happen: Happen) -> impl Fn(&str) -> Option<String> + Send + Sync {
    move |machine| {
        let (tell, told) = std::sync::mpsc::channel();
        let machine = machine.to_owned();
        let look = Happening::Look(Box::new(move |view| {
            let known = view.state.records.machines.get(&machine);
            if tell.send(known.and_then(|machine| machine.address.clone())).is_err() {
                tracing::debug!("nobody asks for the address any more");
            }
        }));
        send(&happen, look);
        told.recv_timeout(LOOK_LIMIT).ok().flatten()
    }
}

/// What a visitor wants.
fn arrive(talk: &Arc<Talk>, happen: &Happen, visit: Visit) {
    let words: Vec<&str> = visit.hello.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["tapicom"] => talk.serve(visit),
        ["sink_job" | "src_job", "--job", number] => match number.parse() {
            Ok(number) => send(happen, Happening::Client(JobId(number), Box::new(visit))),
            Err(_) => refuse(visit, "that is no number of a job"),
        },
        _ => refuse(visit, "nobody serves that here"),
    }
}

fn refuse(visit: Visit, why: &str) {
    visit.end(&Err(Fault::never(Blame::Operator, why)));
}
