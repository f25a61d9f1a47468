//! `drive status`, `alerts`, `log` and `attributes`: reading only, nothing moves (but for a label).

use clap::Args;
use serde_json::{Value, json};
use ssc::{MediumInfo, Position, Readiness, Support};

use super::{Named, hex, print_rows, readiness};
use crate::cli::Done;
use crate::cli::table::{Facts, bytes, print, print_json};
use crate::library::fault::drive_fault;
use crate::library::{Found, identify};
use crate::stream::Fault;

#[derive(Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    named: Named,
    /// Read the label on the tape too (rewinds)
    #[arg(long)]
    label: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Alerts {
    #[command(flatten)]
    named: Named,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Log {
    #[command(flatten)]
    named: Named,
    /// Page code, two hexadecimal digits: 2e, 31; 00 lists the pages
    #[arg(long, value_name = "HEX", value_parser = page_code)]
    page: u8,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(in crate::cli) struct Attributes {
    #[command(flatten)]
    named: Named,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn page_code(text: &str) -> Result<u8, String> {
    let digits = text.trim_start_matches("0x").trim_end_matches(['h', 'H']);
    let code = u8::from_str_radix(digits, 16).ok().filter(|&code| code < 0x40);
    code.ok_or_else(|| "want a page code from 00 to 3f".to_owned())
}

/// All that is shown of a drive.
struct Picture {
    device: String,
    identity: ssc::Identity,
    features: Vec<(&'static str, Support)>,
    block_limits: Option<(u32, u32)>,
    ready: Readiness,
    medium: MediumInfo,
    position: Option<Position>,
    label: Option<Found>,
    alerts: Vec<ssc::TapeAlert>,
}

impl Status {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let picture = self.look()?;
        match self.json {
            true => print_json(&picture.as_json())?,
            false => print(|out| picture.facts().write(out))?,
        }
        Ok(Done::Whole)
    }

    fn look(&self) -> Result<Picture, Fault> {
        let mut drive = self.named.open()?;
        let fault =
            |drive: &ssc::Drive, e: &ssc::Error| drive_fault(drive, "cannot ask the drive", e);
        let ready = drive.ready().map_err(|e| fault(&drive, &e))?;
        let mounted = ready == Readiness::Ready;
        let medium = match mounted {
            true => drive.medium().map_err(|e| fault(&drive, &e))?,
            false => MediumInfo::default(),
        };
        let position =
            if mounted { told(drive.position()).map_err(|e| fault(&drive, &e))? } else { None };
        let alerts = drive.alerts().map_err(|e| fault(&drive, &e))?;
        let label = match mounted && self.label {
            true => Some(
                identify(&mut drive)
                    .map_err(|e| drive_fault(&drive, "cannot read the label", &e))?,
            ),
            false => None,
        };
        let features = features(drive.capabilities());
        Ok(Picture {
            device: drive.name().to_owned(),
            identity: drive.identity().clone(),
            features,
            block_limits: drive.capabilities().block_limits,
            ready,
            medium,
            position,
            label,
            alerts,
        })
    }
}

/// A drive that cannot tell is no failure of the question.
fn told<T>(answer: Result<T, ssc::Error>) -> Result<Option<T>, ssc::Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ssc::Error::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn features(can: &ssc::Capabilities) -> Vec<(&'static str, Support)> {
    vec![
        (
            "locate by block",
            if can.locate_16 == Support::No { can.locate_10 } else { can.locate_16 },
        ),
        (
            "tell its position",
            if can.position_long == Support::No { can.position_short } else { can.position_long },
        ),
        ("logs", can.logs),
        ("cartridge memory", can.attributes),
        ("time limits of its own", can.operation_codes),
        ("change modes", can.mode_select),
        ("lock the medium", can.prevent_removal),
        ("erase", can.erase),
    ]
}

fn names(features: &[(&'static str, Support)], wanted: Support) -> Option<String> {
    let found: Vec<&str> =
        features.iter().filter(|(_, support)| *support == wanted).map(|(name, _)| *name).collect();
    (!found.is_empty()).then(|| found.join(", "))
}

fn label_words(found: &Found) -> String {
    match found {
        Found::Blank => "blank".into(),
        Found::Foreign { why } => format!("foreign: {why}"),
        Found::Ours { label, damage } => {
            let damage = damage.as_ref().map_or(String::new(), |d| format!("; DAMAGED: {d}"));
            format!(
                "{}, volume {} of set {}, blocks of {} bytes{damage}",
                label.name(),
                label.volume_number,
                label.set_id,
                label.block_bytes
            )
        }
    }
}

const MIB: u64 = 1 << 20;

impl Picture {
    fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        let identity = &self.identity;
        facts.add("drive", format!("{} {}", identity.vendor, identity.product));
        facts.add("device", &self.device);
        facts.add("firmware", &identity.revision);
        facts.add("serial", &identity.serial);
        facts.maybe("can", names(&self.features, Support::Yes));
        facts.maybe("cannot", names(&self.features, Support::No));
        facts.maybe("not tried yet", names(&self.features, Support::Untried));
        facts.maybe(
            "block limits",
            self.block_limits.map(|(low, high)| format!("{low} to {high} bytes")),
        );
        facts.add("state", readiness(&self.ready));
        self.medium_facts(&mut facts);
        facts.maybe("position", self.position.as_ref().map(position_words));
        facts.maybe("label", self.label.as_ref().map(label_words));
        match self.alerts.as_slice() {
            [] => facts.add("alerts", "none"),
            alerts => alerts.iter().for_each(|alert| facts.add("alert", alert)),
        }
        facts
    }

    fn medium_facts(&self, facts: &mut Facts) {
        let medium = &self.medium;
        facts.maybe("volume tag", medium.barcode.as_ref());
        facts.maybe(
            "medium",
            medium.serial.as_ref().map(|serial| {
                format!(
                    "{} serial {serial}",
                    medium.manufacturer.as_deref().unwrap_or("unknown maker")
                )
            }),
        );
        facts.maybe("density", medium.density.map(|code| format!("{code:02X}h")));
        facts.maybe(
            "write protection",
            medium.write_protected.map(|on| if on { "on" } else { "off" }),
        );
        facts.maybe("write once", medium.worm.map(|on| if on { "yes" } else { "no" }));
        facts.maybe("loads", medium.loads);
        let left = medium.remaining_mib.zip(medium.maximum_mib);
        facts.maybe(
            "capacity left",
            left.map(|(left, of)| {
                format!("{} of {}", bytes(left.saturating_mul(MIB)), bytes(of.saturating_mul(MIB)))
            }),
        );
    }

    fn as_json(&self) -> Value {
        let medium = &self.medium;
        let feature = |(name, support): &(&str, Support)| {
            let word = match support {
                Support::Yes => "yes",
                Support::No => "no",
                Support::Untried => "untried",
            };
            ((*name).to_owned(), Value::from(word))
        };
        json!({
            "device": self.device,
            "vendor": self.identity.vendor,
            "product": self.identity.product,
            "firmware": self.identity.revision,
            "serial": self.identity.serial,
            "features": self.features.iter().map(feature).collect::<serde_json::Map<_, _>>(),
            "block_limits": self.block_limits.map(|(low, high)| [low, high]),
            "ready": self.ready == Readiness::Ready,
            "state": readiness(&self.ready),
            "medium": {
                "volume_tag": medium.barcode,
                "serial": medium.serial,
                "manufacturer": medium.manufacturer,
                "density": medium.density,
                "write_protected": medium.write_protected,
                "write_once": medium.worm,
                "loads": medium.loads,
                "remaining_mib": medium.remaining_mib,
                "maximum_mib": medium.maximum_mib,
            },
            "position": self.position.as_ref().map(|p| json!({
                "partition": p.partition.0,
                "block": p.block.0,
                "filemarks": p.filemarks,
                "at_beginning": p.at_beginning,
                "at_end": p.at_end,
            })),
            "label": self.label.as_ref().map(label_json),
            "alerts": self.alerts.iter().map(alert_json).collect::<Vec<_>>(),
        })
    }
}

fn label_json(found: &Found) -> Value {
    match found {
        Found::Blank => json!({"holds": "blank"}),
        Found::Foreign { why } => json!({"holds": "foreign", "why": why}),
        Found::Ours { label, damage } => json!({
            "holds": "volume",
            "volume_tag": label.volume_tag,
            "volume_id": label.volume_id,
            "set_id": label.set_id,
            "volume_number": label.volume_number,
            "block_bytes": label.block_bytes,
            "created_s": label.created_s,
            "damage": damage,
        }),
    }
}

fn position_words(position: &Position) -> String {
    let edge = match (position.at_beginning, position.at_end) {
        (true, _) => ", at the beginning",
        (_, true) => ", near the end",
        _ => "",
    };
    let marks = position.filemarks.map_or(String::new(), |n| format!(", file {n}"));
    let who = match position.confirmed {
        ssc::Confirmed::ByDrive => "",
        ssc::Confirmed::Counted => " (counted)",
    };
    format!("block {}{marks}{edge}{who}", position.block)
}

fn alert_json(alert: &ssc::TapeAlert) -> Value {
    json!({
        "number": alert.number,
        "name": alert.name,
        "severity": alert.severity.to_string(),
        "words": alert.words,
    })
}

impl Alerts {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut drive = self.named.open()?;
        let alerts = drive.alerts();
        let alerts = alerts.map_err(|e| drive_fault(&drive, "cannot read the alerts", &e))?;
        if self.json {
            print_json(&alerts.iter().map(alert_json).collect())?;
            return Ok(Done::Whole);
        }
        let row = |a: &ssc::TapeAlert| {
            vec![a.number.to_string(), a.severity.to_string(), a.name.into(), a.words.into()]
        };
        print_rows(&["FLAG", "SEVERITY", "NAME", "MEANING"], &[0], alerts.iter().map(row).collect())
    }
}

impl Log {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut drive = self.named.open()?;
        let what = format!("cannot read log page {:02X}h", self.page);
        let reply = drive.log_page(self.page).map_err(|e| drive_fault(&drive, &what, &e))?;
        if self.page == 0 {
            return self.print_pages(&reply);
        }
        let body = reply.get(4..).unwrap_or(&[]);
        let (parameters, cut) = scsi::log::walk(body);
        if cut {
            tracing::warn!("the page is longer than what was read of it");
        }
        if self.json {
            let one = |p: &scsi::log::LogParameter| json!({"code": p.code, "control": p.control, "hex": hex(&p.value), "number": p.number()});
            print_json(&parameters.iter().map(one).collect())?;
            return Ok(Done::Whole);
        }
        let row = |p: &scsi::log::LogParameter| {
            let number = p.number().map_or(String::new(), |n| n.to_string());
            vec![format!("{:04X}h", p.code), format!("{:02X}h", p.control), number, hex(&p.value)]
        };
        let rows = parameters.iter().map(row).collect();
        print_rows(&["PARAMETER", "CONTROL", "NUMBER", "HEX"], &[2], rows)
    }

    fn print_pages(&self, reply: &[u8]) -> Result<Done, Fault> {
        let pages: Vec<String> =
            reply.get(4..).unwrap_or(&[]).iter().map(|page| format!("{page:02X}h")).collect();
        if self.json {
            print_json(&json!(pages))?;
            return Ok(Done::Whole);
        }
        print_rows(&["PAGE"], &[], pages.into_iter().map(|page| vec![page]).collect())
    }
}

impl Attributes {
    pub(super) fn run(self) -> Result<Done, Fault> {
        let mut drive = self.named.open_ready()?;
        let read = drive.attributes();
        let read = read.map_err(|e| drive_fault(&drive, "cannot read the cartridge memory", &e))?;
        if read.truncated {
            tracing::warn!("the cartridge memory holds more than what was read of it");
        }
        let value = |a: &scsi::attribute::Attribute| match (a.format, a.number()) {
            (scsi::attribute::Format::Binary, Some(number)) => number.to_string(),
            (scsi::attribute::Format::Binary, None) => hex(&a.value),
            _ => a.text(),
        };
        if self.json {
            let one = |a: &scsi::attribute::Attribute| json!({"id": a.id, "name": a.name(), "read_only": a.read_only, "value": value(a), "hex": hex(&a.value)});
            print_json(&read.attributes.iter().map(one).collect())?;
            return Ok(Done::Whole);
        }
        let row = |a: &scsi::attribute::Attribute| {
            vec![format!("{:04X}h", a.id), a.name().unwrap_or("").into(), value(a)]
        };
        print_rows(&["ID", "NAME", "VALUE"], &[], read.attributes.iter().map(row).collect())
    }
}
