//! The robot.
//!
//! Owns what is asked of it and what its answers mean. A unit attention voids what was known: it
//! raises the generation. Reading is repeated past unit attentions; a move never is.

use std::collections::BTreeMap;
use std::time::Duration;

use scsi::cdb::{self, ElementQuery, PageControl};
use scsi::element::{ElementKind, ElementStatus};
use scsi::inquiry::{DeviceType, Inquiry};
use scsi::mode::ModeParameters;
use scsi::mode_pages::{ElementAddresses, ElementRange};
use scsi::{Data, ElementAddress, Trace, Transport, U24, vpd};

use crate::error::{ChangerFault, Error, LinkFault, OperatorFault, OurFault};
use crate::inventory::{Element, Inventory};
use crate::port::{Port, past_attentions};

/// Time limit of a move. Large libraries take up to 45 minutes.
pub const MOVE_TIMEOUT: Duration = Duration::from_secs(50 * 60);
/// A full stock-taking with the bar code reader.
const INITIALIZE_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// A status query may move the hand when the changer cannot answer from memory.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10 * 60);
const SHORT_TIMEOUT: Duration = Duration::from_secs(60);

/// Elements asked for in one query.
const ELEMENTS_PER_QUERY: u16 = 1000;
/// Bytes taken in one status reply: 1000 elements with one volume tag each fit.
const STATUS_BYTES: U24 = U24::new(0x1_0000).expect("fits 24 bits");

/// Who a changer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Standard INQUIRY data.
    pub inquiry: Inquiry,
    /// Unit serial number, when the changer has the page.
    pub serial: Option<String>,
}

/// What this changer turned out to refuse.
#[derive(Debug, Clone, Copy)]
struct Manners {
    volume_tags: bool,
    device_ids: bool,
    /// CURDATA, without and with DVCID beside it.
    current_data: [bool; 2],
}

/// A media changer.
pub struct Changer {
    port: Port,
    identity: Identity,
    addresses: ElementAddresses,
    manners: Manners,
}

impl Changer {
    /// Attaches to the changer behind `transport`: INQUIRY, serial number, element addresses (mode
    /// page 1Dh). Passes over up to 16 unit attentions. Does not wait for readiness and moves
    /// nothing.
    ///
    /// *Errors*: [`OurFault::NotAChanger`] for another device type; whatever the commands meet.
    pub fn attach(transport: Box<dyn Transport>) -> Result<Changer, Error> {
        let mut port = Port::new(transport);
        let identity = identify(&mut port)?;
        let addresses = past_attentions(&mut port, read_addresses)?;
        let manners = Manners { volume_tags: true, device_ids: true, current_data: [true; 2] };
        Ok(Changer { port, identity, addresses, manners })
    }

    /// Opens the device anew after it went away and checks that it is the same changer. Raises the
    /// generation.
    ///
    /// *Errors*: [`ChangerFault::Replaced`] when vendor, product or serial number differ.
    pub fn reattach(&mut self) -> Result<(), Error> {
        self.port.generation += 1;
        if self.port.transport.reopen().is_err() {
            return Err(Error::Link(LinkFault::Gone, self.port.context("open it anew", None)));
        }
        let found = identify(&mut self.port)?;
        let same = found.serial == self.identity.serial
            && found.inquiry.vendor == self.identity.inquiry.vendor
            && found.inquiry.product == self.identity.inquiry.product;
        if !same {
            let context = self.port.context("open it anew", None);
            return Err(Error::Changer(ChangerFault::Replaced, context));
        }
        self.identity = found;
        self.addresses = past_attentions(&mut self.port, read_addresses)?;
        Ok(())
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Which addresses its elements have.
    pub fn addresses(&self) -> &ElementAddresses {
        &self.addresses
    }

    /// How an operator names it.
    pub fn name(&self) -> &str {
        self.port.transport.name()
    }

    /// Raised whenever an inventory taken before may be wrong: by every unit attention, and by a
    /// move that failed in a way that shows or leaves open that things are not where they were
    /// thought to be.
    pub fn generation(&self) -> u64 {
        self.port.generation
    }

    /// The last 64 commands with outcome and duration.
    pub fn last_commands(&self) -> &Trace {
        &self.port.trace
    }

    /// Where all cartridges are (READ ELEMENT STATUS, per element type, at most 1000 elements a
    /// query). Drive identifiers come from a second query, because some libraries call every drive
    /// empty when asked for them. Asks to be answered from memory where the changer can do that.
    ///
    /// *Time*: seconds; minutes when the changer must look. Starts over when a unit attention
    /// comes in between, up to 16 times.
    ///
    /// *Errors*: [`ChangerFault::Initialising`] while the changer takes stock: ask again later.
    pub fn inventory(&mut self) -> Result<Inventory, Error> {
        past_attentions(self, Self::take_inventory)
    }

    /// Makes the changer look at every element (INITIALIZE ELEMENT STATUS). Up to an hour; raises
    /// the generation.
    pub fn initialize(&mut self) -> Result<(), Error> {
        self.port.generation += 1;
        past_attentions(&mut self.port, |port| {
            let cdb = cdb::initialize_element_status();
            port.issue("take stock", &cdb, Data::None, INITIALIZE_TIMEOUT).map(drop)
        })
    }

    /// Moves a cartridge (MOVE MEDIUM). Up to 50 minutes. Never repeated here.
    ///
    /// *Errors*: [`OperatorFault::DestinationFull`], [`OperatorFault::SourceEmpty`] (nothing moved;
    /// take the inventory anew), [`OurFault::BadElement`], [`OperatorFault::RemovalPrevented`],
    /// [`ChangerFault::Jam`]; a unit attention such as [`OperatorFault::MailSlotAccessed`] means
    /// that nothing moved. See [`Error::effect_unknown`].
    pub fn move_medium(&mut self, from: ElementAddress, to: ElementAddress) -> Result<(), Error> {
        let cdb = cdb::move_medium(self.hand(), from, to);
        self.motion(&format!("move {from} to {to}"), &cdb)
    }

    /// Moves the cartridge in `first` to `second` and the one in `source` to `first` (EXCHANGE
    /// MEDIUM). Time and errors as [`move_medium`](Changer::move_medium); many changers refuse it.
    pub fn exchange(
        &mut self,
        source: ElementAddress,
        first: ElementAddress,
        second: ElementAddress,
    ) -> Result<(), Error> {
        let cdb = cdb::exchange_medium(self.hand(), source, first, second);
        self.motion(&format!("exchange {first} for {source}, to {second}"), &cdb)
    }

    /// Locks or unlocks mail slot and door against operators (PREVENT ALLOW MEDIUM REMOVAL).
    pub fn prevent_removal(&mut self, prevent: bool) -> Result<(), Error> {
        let doing = if prevent { "lock the mail slot" } else { "unlock the mail slot" };
        past_attentions(&mut self.port, |port| {
            let cdb = cdb::prevent_allow_medium_removal(prevent);
            port.issue(doing, &cdb, Data::None, SHORT_TIMEOUT).map(drop)
        })
    }

    /// The first hand, or 0: the changer's choice.
    fn hand(&self) -> ElementAddress {
        let hands = self.addresses.transports;
        if hands.count == 0 { ElementAddress(0) } else { hands.first }
    }

    fn motion(&mut self, doing: &str, cdb: &[u8]) -> Result<(), Error> {
        let result = self.port.issue(doing, cdb, Data::None, MOVE_TIMEOUT).map(drop);
        if let Err(error) = &result {
            let stale = matches!(
                error,
                Error::Operator(OperatorFault::DestinationFull | OperatorFault::SourceEmpty, _)
            );
            if stale || error.effect_unknown() {
                self.port.generation += 1;
            }
        }
        result
    }

    fn take_inventory(&mut self) -> Result<Inventory, Error> {
        let mut inventory = Inventory { generation: self.port.generation, ..Inventory::default() };
        for kind in ElementKind::ALL {
            let range = self.range(kind);
            let found = self.read_elements(kind, range, false)?;
            inventory.missing += u32::from(range.count).saturating_sub(count(&found));
            *inventory.list_mut(kind) = found;
        }
        self.add_device_ids(&mut inventory.drives)?;
        Ok(inventory)
    }

    fn range(&self, kind: ElementKind) -> ElementRange {
        match kind {
            ElementKind::Transport => self.addresses.transports,
            ElementKind::Storage => self.addresses.storage,
            ElementKind::ImportExport => self.addresses.import_export,
            ElementKind::DataTransfer => self.addresses.drives,
        }
    }

    /// Asks who the drives are and takes nothing else from the answer. A changer that refuses is
    /// not asked again; one whose answer cannot be used leaves the drives without names.
    fn add_device_ids(&mut self, drives: &mut [Element]) -> Result<(), Error> {
        if !self.manners.device_ids || drives.is_empty() {
            return Ok(());
        }
        let kind = ElementKind::DataTransfer;
        match self.read_elements(kind, self.range(kind), true) {
            Ok(named) => {
                for drive in drives {
                    let same = named.iter().find(|element| element.address == drive.address);
                    if let Some(device) = same.and_then(|element| element.device.clone()) {
                        drive.device = Some(device);
                    }
                }
                Ok(())
            }
            Err(error) if error.is_refusal() => {
                self.manners.device_ids = false;
                Ok(())
            }
            Err(Error::Changer(ChangerFault::BadReply(_) | ChangerFault::NoElements, _)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads all elements of one kind, sorted by address. Goes on after the last element reported,
    /// so a changer may answer in as small pieces as it likes; stops when an answer brings nothing
    /// new. Elements outside the kind's range are not believed.
    fn read_elements(
        &mut self,
        kind: ElementKind,
        range: ElementRange,
        device_ids: bool,
    ) -> Result<Vec<Element>, Error> {
        let end = u32::from(range.first.0) + u32::from(range.count);
        let mut next = u32::from(range.first.0);
        let mut elements = BTreeMap::new();
        while let Some(first) = u16::try_from(next).ok().filter(|_| next < end) {
            let left = u16::try_from(end - next).unwrap_or(u16::MAX);
            let status = self.element_status(kind, ElementAddress(first), left, device_ids)?;
            let known = elements.len();
            for descriptor in status.of_kind(kind).filter(|d| range.contains(d.address)) {
                elements
                    .entry(descriptor.address)
                    .or_insert_with(|| Element::new(kind, descriptor));
                next = next.max(u32::from(descriptor.address.0) + 1);
            }
            if elements.len() == known {
                if status.truncated || status.inconsistent {
                    let context = self.port.context(&reading(kind), None);
                    return Err(Error::Changer(ChangerFault::NoElements, context));
                }
                break;
            }
        }
        Ok(elements.into_values().collect())
    }

    /// One READ ELEMENT STATUS; leaves out what this changer refuses and remembers that.
    fn element_status(
        &mut self,
        kind: ElementKind,
        first: ElementAddress,
        left: u16,
        device_ids: bool,
    ) -> Result<ElementStatus, Error> {
        loop {
            let query = ElementQuery {
                kind: Some(kind),
                first,
                count: left.min(ELEMENTS_PER_QUERY),
                volume_tags: self.manners.volume_tags && !device_ids,
                device_ids,
                current_data: self.manners.current_data[usize::from(device_ids)],
            };
            match self.query(&reading(kind), query) {
                Err(error) if error.is_refusal() && query.current_data => {
                    self.manners.current_data[usize::from(device_ids)] = false;
                }
                Err(error) if error.is_refusal() && query.volume_tags => {
                    self.manners.volume_tags = false;
                }
                answer => return answer,
            }
        }
    }

    fn query(&mut self, doing: &str, query: ElementQuery) -> Result<ElementStatus, Error> {
        let mut buffer = vec![0; STATUS_BYTES.value() as usize];
        let cdb = cdb::read_element_status(query, STATUS_BYTES);
        let length = self.port.issue(doing, &cdb, Data::In(&mut buffer), STATUS_TIMEOUT)?;
        ElementStatus::decode(&buffer[..length]).map_err(|error| self.port.bad_reply(doing, error))
    }
}

fn reading(kind: ElementKind) -> String {
    format!("read the {kind} inventory")
}

fn count(elements: &[Element]) -> u32 {
    u32::try_from(elements.len()).unwrap_or(u32::MAX)
}

fn identify(port: &mut Port) -> Result<Identity, Error> {
    let mut buffer = [0; 96];
    let doing = "identify it";
    let length = past_attentions(port, |port| {
        let cdb = cdb::inquiry(96);
        port.issue(doing, &cdb, Data::In(&mut buffer), SHORT_TIMEOUT)
    })?;
    let inquiry =
        Inquiry::decode(&buffer[..length]).map_err(|error| port.bad_reply(doing, error))?;
    if inquiry.device_type != DeviceType::Changer {
        return Err(Error::Ours(OurFault::NotAChanger, port.context(doing, None)));
    }
    Ok(Identity { inquiry, serial: read_serial(port)? })
}

/// The unit serial number; `None` when the changer has none to tell.
fn read_serial(port: &mut Port) -> Result<Option<String>, Error> {
    let mut buffer = [0; 255];
    let read = past_attentions(port, |port| {
        let cdb = cdb::inquiry_vpd(0x80, 255);
        port.issue("read its serial number", &cdb, Data::In(&mut buffer), SHORT_TIMEOUT)
    });
    match read {
        Ok(length) => {
            let serial = vpd::unit_serial_number(&buffer[..length]).ok();
            Ok(serial.filter(|serial| !serial.is_empty()))
        }
        Err(error) if error.is_refusal() => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_addresses(port: &mut Port) -> Result<ElementAddresses, Error> {
    let doing = "read its element addresses";
    let mut buffer = [0; 255];
    let six = cdb::mode_sense_6(PageControl::Current, 0x1d, 0, 255);
    let parameters = match port.issue(doing, &six, Data::In(&mut buffer), SHORT_TIMEOUT) {
        Ok(length) => ModeParameters::decode_6(&buffer[..length]),
        Err(error) if error.is_refusal() => {
            let ten = cdb::mode_sense_10(PageControl::Current, 0x1d, 0, 255);
            let length = port.issue(doing, &ten, Data::In(&mut buffer), SHORT_TIMEOUT)?;
            ModeParameters::decode_10(&buffer[..length])
        }
        Err(error) => return Err(error),
    };
    parameters
        .and_then(|p| {
            let page = p.page(0x1d, 0).map_or(&[][..], |page| &page.bytes);
            ElementAddresses::decode(page)
        })
        .map_err(|error| port.bad_reply(doing, error))
}
