//! The loop: looks at the links, and does what follows.
//!
//! Owns what each link is doing now. One thread; the steward and the servers of the time, which may be slow, have theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::clock::Clock;
use super::dhcp::{Action, Client, Event, Lease};
use super::kernel::Kernel;
use super::links::{
    Actual, Found, Owned, SHOWN, Wanted, changes, look, mac_text, metric, settings_of,
};
use super::port::{Heard, Port};
use super::{names, steward};
use crate::settings::{Address, Settings};
use crate::steward::message::LinkState;
use crate::stream::{Blame, Fault};

/// How often the links are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two signs of life.
const ALIVE: Duration = Duration::from_secs(5);
/// Answers that wait to be read.
const HEARD_MAX: usize = 64;
/// How often a link is changed and looked at again at once.
const PASSES_MAX: usize = 3;
/// Things that were wrong with a link and are remembered.
const WRONG_MAX: usize = 16;
/// What the box is called if nothing is set.
const NAME: &str = "tapioca";

/// What the process is given.
pub struct Given {
    /// Where the steward listens.
    pub steward: PathBuf,
    /// The folder of the network's state.
    pub folder: PathBuf,
    /// Whether a link of which settings say nothing asks by DHCP.
    pub dhcp: bool,
    /// Who is asked for the time if neither settings nor a DHCP server say.
    pub ntp: Vec<String>,
    /// The only links that are touched, by the kernel's names; none: all.
    pub only: Vec<String>,
    /// Gives a sign of life.
    pub alive: Box<dyn Fn()>,
}

/// How a link gets its address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Way {
    Off,
    Static(Wanted, Vec<IpAddr>),
    Dhcp,
}

/// A link, and what is done with it.
struct Link {
    found: Found,
    way: Way,
    client: Client,
    port: Option<Port>,
    actual: Actual,
    /// What was wrong lately: each is told once.
    wrong: BTreeSet<String>,
}

/// What the loop knows.
struct Net {
    given: Given,
    kernel: Kernel,
    settings: Option<Settings>,
    links: BTreeMap<u32, Link>,
    heard: mpsc::Sender<Heard>,
    began: Instant,
    told: steward::Told,
    names: Option<Vec<IpAddr>>,
    clock: Clock,
}

/// Runs until it is told to end. What links have is left to them.
///
/// # Errors
///
/// The kernel does not answer.
pub fn run(given: Given) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Fault::host("cannot start", &e))?;
    let done = runtime.block_on(keep(given));
    // A server of the time may be waited for.
    runtime.shutdown_background();
    done
}

async fn keep(given: Given) -> Result<(), Fault> {
    let cannot = |e: std::io::Error| Fault::host("cannot wait for signals", &e);
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut settings = steward::watch(given.steward.clone())?;
    let told = steward::tell(given.steward.clone())?;
    let (heard, mut packets) = mpsc::channel(HEARD_MAX);
    let kernel = Kernel::connect()?;
    let mut net = Net {
        given,
        kernel,
        settings: None,
        links: BTreeMap::new(),
        heard,
        began: Instant::now(),
        told,
        names: None,
        clock: Clock::default(),
    };
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told_alive: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = tick.tick() => {
                net.look().await?;
                if told_alive.is_none_or(|at| at.elapsed() >= ALIVE) {
                    told_alive = Some(Instant::now());
                    (net.given.alive)();
                }
            }
            Some((index, bytes)) = packets.recv() => net.hear(index, &bytes).await?,
            Ok(()) = settings.changed() => {
                net.settings = settings.borrow_and_update().clone();
                net.look().await?;
            }
        }
    }
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        // No number is as good as another, but one is better than none.
        Err(_) => std::process::id(),
    }
}

impl Net {
    /// Looks at everything, and does what is due. Nothing is touched before settings are known.
    async fn look(&mut self) -> Result<(), Fault> {
        let Some(settings) = self.settings.clone() else { return Ok(()) };
        let mut found = look(SHOWN.as_ref()).map_err(|e| Fault::host("cannot see links", &e))?;
        found.retain(|one| self.given.only.is_empty() || self.given.only.contains(&one.name));
        self.meet(found, &settings);
        let indexes: Vec<u32> = self.links.keys().copied().collect();
        for index in indexes {
            let carrier = self.links.get(&index).is_some_and(|link| link.found.carrier);
            self.event(index, Event::Carrier(carrier)).await;
            self.event(index, Event::Tick).await;
        }
        self.bring().await?;
        self.write_names();
        let servers = self.time_servers(&settings);
        self.clock.look(&servers).await;
        Ok(())
    }

    /// Takes links in, lets those go that are gone, and notes how each gets its address.
    fn meet(&mut self, found: Vec<Found>, settings: &Settings) {
        let name = settings.name.as_ref().map_or(NAME, |name| &**name);
        let mut old = std::mem::take(&mut self.links);
        for found in found {
            let way = self.way(settings, &found);
            let known = old.remove(&found.index).filter(|link| {
                (link.found.mac, &link.found.name) == (found.mac, &found.name)
                    && (link.way == Way::Dhcp) == (way == Way::Dhcp)
            });
            let mut link = known.unwrap_or_else(|| {
                tracing::info!(link = found.name, ?way, "a link");
                Link {
                    found: found.clone(),
                    way: way.clone(),
                    client: Client::new(found.mac, name, Box::new(random)),
                    port: None,
                    actual: Actual::default(),
                    wrong: BTreeSet::new(),
                }
            });
            link.client.rename(name);
            (link.found, link.way) = (found, way);
            self.links.insert(link.found.index, link);
        }
    }

    fn way(&self, settings: &Settings, found: &Found) -> Way {
        let said = settings_of(settings, found);
        match said.map(|link| link.address) {
            None if !self.given.dhcp => Way::Off,
            None | Some(Address::Dhcp) => Way::Dhcp,
            Some(Address::Off) => Way::Off,
            Some(Address::Static(prefix)) => {
                let gateway = said.and_then(|link| link.gateway);
                let dns = said.map_or(Vec::new(), |link| link.dns.clone());
                Way::Static(Wanted { addresses: [prefix.into()].into(), gateway }, dns)
            }
        }
    }

    /// Something came to a link's port.
    async fn hear(&mut self, index: u32, bytes: &[u8]) -> Result<(), Fault> {
        if self.event(index, Event::Packet(bytes)).await {
            self.bring().await?;
            self.write_names();
        }
        Ok(())
    }

    /// Tells the client of a link, and does what it wants; whether the link is to have something else now.
    async fn event(&mut self, index: u32, event: Event<'_>) -> bool {
        let now = self.began.elapsed();
        let Some(link) = self.links.get_mut(&index).filter(|link| link.way == Way::Dhcp) else {
            return false;
        };
        let mut changed = false;
        let before = link.client.lease().cloned();
        for action in link.client.handle(event, now) {
            match action {
                Action::Send { to, bytes } => link.send(&self.heard, to, &bytes).await,
                Action::Bound(lease) => {
                    if before.as_ref() != Some(&lease) {
                        tracing::info!(link = link.found.name, address = %lease.prefix, server = %lease.server, "a lease");
                    } else {
                        tracing::debug!(link = link.found.name, "the lease is renewed");
                    }
                    changed = true;
                }
                Action::Lost => {
                    tracing::warn!(link = link.found.name, "the lease is lost");
                    changed = true;
                }
            }
        }
        if !link.client.listens() {
            link.port = None;
        }
        changed
    }

    /// Brings the kernel to what is wanted, and tells the steward how it is.
    async fn bring(&mut self) -> Result<(), Fault> {
        for _ in 0..PASSES_MAX {
            let mut all = self.kernel.actual().await?;
            let mut changed = false;
            for (index, link) in &mut self.links {
                link.actual = all.remove(index).unwrap_or_default();
                changed |= link.bring(&self.kernel).await;
            }
            if !changed {
                break;
            }
            self.clock.hurry();
        }
        self.told.set(self.links.values().map(Link::state).collect());
        Ok(())
    }

    fn write_names(&mut self) {
        let all = self.links.values().flat_map(Link::name_servers);
        let chosen = names::chosen(all);
        if self.names.as_ref() == Some(&chosen) {
            return;
        }
        match names::write(&self.given.folder, &chosen) {
            Ok(()) => self.names = Some(chosen),
            Err(error) => tracing::error!(%error, "cannot write who knows names"),
        }
    }

    /// Who is asked for the time; nobody as long as no link has an address.
    fn time_servers(&self, settings: &Settings) -> Vec<String> {
        let has_address = |link: &Link| link.found.carrier && link.reachable().next().is_some();
        if !self.links.values().any(has_address) {
            return Vec::new();
        }
        let set: Vec<String> = settings.ntp.iter().map(ToString::to_string).collect();
        let leases = self.links.values().filter_map(Link::lease);
        let told = leases.flat_map(|lease| &lease.ntp).map(ToString::to_string).collect();
        let known = [set, told, self.given.ntp.clone()];
        known.into_iter().find(|servers| !servers.is_empty()).unwrap_or_default()
    }
}

impl Link {
    async fn send(
        &mut self,
        heard: &mpsc::Sender<Heard>,
        to: Option<std::net::Ipv4Addr>,
        bytes: &[u8],
    ) {
        let (name, index) = (&self.found.name, self.found.index);
        let sent = match &self.port {
            Some(port) => port.send(to, bytes).await,
            None => match Port::open(name, index, heard.clone()) {
                Ok(port) => self.port.insert(port).send(to, bytes).await,
                Err(error) => Err(error),
            },
        };
        let told =
            sent.map_err(|e| Fault::later(Blame::Host, format!("cannot ask for an address: {e}")));
        self.note(told);
    }

    /// Tells of what went wrong, once.
    fn note(&mut self, done: Result<(), Fault>) {
        let Err(fault) = done else { return };
        let words = fault.to_string();
        if !self.wrong.contains(&words) {
            tracing::warn!(link = self.found.name, fault = words, "a link is not as wanted");
            if self.wrong.len() >= WRONG_MAX {
                self.wrong.clear();
            }
            self.wrong.insert(words);
        }
    }

    /// Whether anything was changed.
    async fn bring(&mut self, kernel: &Kernel) -> bool {
        let (index, on) = (self.found.index, self.way != Way::Off);
        if self.found.up != on {
            let done = kernel.switch(index, on).await;
            self.found.up = if done.is_ok() { on } else { self.found.up };
            self.note(done);
        }
        let mut changed = false;
        for change in changes(&self.wanted(), &self.actual, metric(index)) {
            let done = kernel.change(index, &change).await;
            if done.is_ok() {
                tracing::info!(link = self.found.name, ?change, "a link is changed");
                changed = true;
            }
            self.note(done);
        }
        changed
    }

    /// What a server gave it.
    fn lease(&self) -> Option<&Lease> {
        self.client.lease()
    }

    fn wanted(&self) -> Wanted {
        match (&self.way, self.lease()) {
            (Way::Static(wanted, _), _) => wanted.clone(),
            (Way::Dhcp, Some(lease)) => Wanted {
                addresses: [Owned::from(lease.prefix)].into(),
                gateway: lease.gateway.map(IpAddr::from),
            },
            (Way::Dhcp, None) | (Way::Off, _) => Wanted::default(),
        }
    }

    fn name_servers(&self) -> Vec<IpAddr> {
        match (&self.way, self.lease()) {
            (Way::Static(_, dns), _) => dns.clone(),
            (Way::Dhcp, Some(lease)) => lease.dns.iter().map(|dns| IpAddr::from(*dns)).collect(),
            (Way::Dhcp, None) | (Way::Off, _) => Vec::new(),
        }
    }

    fn how(&self) -> String {
        match (&self.way, self.lease()) {
            (Way::Off, _) => "off".into(),
            (Way::Static(..), _) => "static".into(),
            (Way::Dhcp, None) if !self.found.carrier => "dhcp".into(),
            (Way::Dhcp, None) => "dhcp, asking".into(),
            (Way::Dhcp, Some(lease)) => match lease.lasts {
                Some(lasts) => format!("dhcp, lease {} s", lasts.as_secs()),
                None => "dhcp, lease without end".into(),
            },
        }
    }

    /// Addresses by which it is reached from elsewhere than the link.
    fn reachable(&self) -> impl Iterator<Item = &Owned> {
        let made = self.actual.made.iter();
        let all = self.actual.addresses.iter().chain(made);
        all.filter(|own| !matches!(own.address, IpAddr::V6(six) if six.is_unicast_link_local()))
    }

    /// As the steward is told.
    fn state(&self) -> LinkState {
        LinkState {
            place: self.found.place.clone().unwrap_or_else(|| self.found.name.clone()),
            mac: mac_text(self.found.mac),
            name: self.found.name.clone(),
            carrier: self.found.carrier,
            addresses: self.reachable().map(ToString::to_string).collect(),
            gateway: self
                .actual
                .ways
                .iter()
                .find_map(|(gateway, _)| *gateway)
                .map(|g| g.to_string()),
            how: self.how(),
        }
    }
}
