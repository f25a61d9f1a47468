//! Drives and changers that are attached: who they are, where, and what the service does with them.
//!
//! Owns their table. What is attached is read from the kernel, so that it is shown also while nothing else runs;
//! whether a process holds a device, init tells, and what it is used for, the service. Opens no device.

use discover::Device;

use crate::init::message::{Child, Reply as InitReply, Request};
use crate::init::{DOOR_PROCESS, client};
use crate::stream::Fault;
use crate::table::{Shown, Table};
use crate::tapicom::reply::DriveView;

/// What is known about the others' part.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Children of init; none: there is no init here.
    pub children: Option<Vec<Child>>,
    /// Drives as the service has them; none: it is not there.
    pub drives: Option<Vec<DriveView>>,
}

/// Children of init, if there is one that answers.
pub(super) fn children() -> Option<Vec<Child>> {
    match client::is_here().then(|| client::ask(&Request::Status)) {
        Some(Ok(InitReply::Status(status))) => Some(status.children.into_iter().collect()),
        Some(Ok(InitReply::Done | InitReply::Refused(_)) | Err(_)) | None => None,
    }
}

fn used(device: &Device, known: &Known) -> Option<(String, String)> {
    let drives = known.drives.as_deref().unwrap_or_default();
    let drive = drives.iter().find(|drive| drive.what == device.key.as_str())?;
    Some((format!("drive {}", drive.number), drive.does.clone()))
}

/// Whether somebody holds the device for others.
fn door(device: &Device, known: &Known) -> &'static str {
    let name = format!("{DOOR_PROCESS}/{}", device.key);
    let Some(children) = &known.children else { return "-" };
    match children.iter().find(|child| child.name.as_str() == name) {
        Some(child) if child.degraded => "keeps ending",
        Some(child) if child.pid != 0 => "open",
        Some(_) | None => "shut",
    }
}

/// All of them, as people see them.
pub(super) fn shown(devices: &[Device], known: &Known) -> Result<Shown, Fault> {
    if devices.is_empty() {
        return Ok(Shown::word("no drive or changer is attached"));
    }
    let mut table = Table::new(
        &["KEY", "USED AS", "SERIAL", "NODE", "ADDRESS", "DEVICE", "FIRMWARE", "DOOR", "STATE"],
        &[],
    );
    for device in devices {
        let (number, does) = used(device, known).unwrap_or_default();
        table.row([
            device.key.to_string(),
            number,
            device.identity.serial.clone().unwrap_or_default(),
            device.node.display().to_string(),
            device.address.to_string(),
            format!("{} {}", device.vendor, device.product),
            device.revision.clone(),
            door(device, known).to_owned(),
            does,
        ]);
    }
    Shown::of(|out| table.write(out))
}

/// All of them, for programs.
pub(super) fn json(devices: &[Device], known: &Known) -> Shown {
    let one = |device: &Device| {
        let used = used(device, known);
        let others = device.others.iter().map(|other| other.display().to_string());
        serde_json::json!({
            "key": device.key.as_str(),
            "kind": device.identity.kind.to_string(),
            "used_as": used.as_ref().map(|(number, _)| number),
            "serial": device.identity.serial,
            "designator": device.identity.designator.as_ref().map(ToString::to_string),
            "node": device.node.display().to_string(),
            "other_nodes": others.collect::<Vec<_>>(),
            "address": device.address.to_string(),
            "vendor": device.vendor,
            "product": device.product,
            "revision": device.revision,
            "door": door(device, known),
            "state": used.as_ref().map(|(_, does)| does),
        })
    };
    let all: Vec<_> = devices.iter().map(one).collect();
    Shown { data: format!("{:#}\n", serde_json::Value::Array(all)), words: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::message::cut;

    fn device(key: &str, node: &str) -> Device {
        let key: discover::Key = key.parse().unwrap();
        let (kind, serial) = (key.kind(), Some("HU1234ABCD".to_owned()));
        Device {
            identity: discover::Identity { kind, designator: None, serial },
            key,
            vendor: "HP".into(),
            product: "Ultrium 6-SCSI".into(),
            revision: "35GD".into(),
            node: node.into(),
            address: "6:0:1:0".parse().unwrap(),
            others: Vec::new(),
            appearance: 1,
        }
    }

    fn child(key: &str, pid: u32, degraded: bool) -> Child {
        Child { name: cut(&format!("{DOOR_PROCESS}/{key}")), pid, restarts: 0, degraded }
    }

    #[test]
    fn devices_are_shown_with_what_init_and_the_service_say() {
        let devices = [device("drive-HU1234ABCD", "/dev/sg3"), device("changer-X", "/dev/sg4")];
        let drive = DriveView {
            number: 2,
            what: "drive-HU1234ABCD".into(),
            used: true,
            does: "idle".into(),
            medium: None,
            rate: 0,
            alerts: Vec::new(),
        };
        let known = Known {
            children: Some(vec![child("drive-HU1234ABCD", 77, false), child("changer-X", 0, true)]),
            drives: Some(vec![drive]),
        };
        let text = shown(&devices, &known).unwrap().data;
        let rows: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            rows[1..],
            [
                "drive-HU1234ABCD drive 2 HU1234ABCD /dev/sg3 6:0:1:0 HP Ultrium 6-SCSI 35GD open idle",
                "changer-X - HU1234ABCD /dev/sg4 6:0:1:0 HP Ultrium 6-SCSI 35GD keeps ending -",
            ]
        );
        let value: serde_json::Value = serde_json::from_str(&json(&devices, &known).data).unwrap();
        assert_eq!(value[0]["used_as"], "drive 2");
        assert_eq!(
            (&value[1]["door"], &value[1]["state"]),
            (&"keeps ending".into(), &serde_json::Value::Null)
        );
        let alone = shown(&devices, &Known::default()).unwrap().data;
        assert!(alone.contains("drive-HU1234ABCD") && !alone.contains("open"), "{alone}");
    }
}
