//! Log pages that drives sent.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{load, log_page};
use scsi::log::{LogPage, supported_pages, walk};
use scsi::log_pages::{
    Activity, CapacityUnit, DeviceStatus, ErrorCounters, SequentialAccess, TapeAlerts,
    TapeCapacity, tape_alert_response,
};
use scsi::statistics::{DeviceStatistics, Mount, VolumeStatistics, partition_records};
use scsi::{Error, Partition};

fn page(name: &str) -> LogPage {
    LogPage::decode(&load(name)).unwrap()
}

/// name, page, subpage, parameters, control byte shared by all.
#[test]
fn shape_of_every_whole_page() {
    let table = [
        ("log02-ibm-3592", 0x02, 0, 4, Some(0x60)),
        ("log02-stk-t10000", 0x02, 0, 7, Some(0x74)),
        ("log03-ibm-3592", 0x03, 0, 4, Some(0x60)),
        ("log03-stk-t10000", 0x03, 0, 7, Some(0x74)),
        ("log06-ibm-3592", 0x06, 0, 1, Some(0x74)),
        ("log0c-stk-t10000c-marker-counters", 0x0c, 0, 6, Some(0x74)),
        ("log0c-stk-t10000c-zero-counters", 0x0c, 0, 6, Some(0x74)),
        ("log17-01-ibm-3592", 0x17, 1, 41, None),
        ("log31-dat-kbytes", 0x31, 0, 4, Some(0x4c)),
        ("log31-lto-100gb-mebibytes", 0x31, 0, 4, Some(0xc0)),
        ("log32-ibm-3592-write-errors", 0x32, 0, 18, Some(0x60)),
        ("log32-ibm-ultrium-td5-zero-counters", 0x32, 0, 10, Some(0x40)),
        ("log34-ibm-3592-read-forward-errors", 0x34, 0, 31, None),
        ("log36-ibm-3592-read-backward-errors", 0x36, 0, 31, None),
        ("log37-80-ibm-3592", 0x37, 0x80, 6, None),
        ("log37-91-ibm-3592", 0x37, 0x91, 26, None),
        ("log38-ibm-3592-e06-zero-counters", 0x38, 0, 18, None),
        ("log3d-stk-t10000-drive-statistics", 0x3d, 0, 118, Some(0x74)),
        ("log3e-hp-ultrium6-331u", 0x3e, 0, 5, None),
    ];
    for (name, code, subpage, parameters, control) in table {
        let page = page(name);
        assert_eq!((page.page, page.subpage), (code, subpage), "{name}");
        assert_eq!(page.parameters.len(), parameters, "{name}");
        assert!(!page.truncated && !page.disable_save, "{name}");
        if let Some(control) = control {
            assert!(page.parameters.iter().all(|p| p.control == control), "{name}");
        }
    }
}

/// name, then (parameter, value) of those that are not 0, or all of interest.
#[test]
fn numbers_of_vendor_pages() {
    let table: &[(&str, &[(u16, u64)])] = &[
        ("log06-ibm-3592", &[(0, 3)]),
        ("log32-ibm-ultrium-td5-zero-counters", &[(0, 0), (1, 100), (9, 0)]),
        ("log32-ibm-3592-write-errors", &[(1, 257), (2, 258), (6, 172), (7, 290), (8, 306)]),
        (
            "log34-ibm-3592-read-forward-errors",
            &[(1, 257), (2, 255), (6, 257), (7, 207), (0x15, 273)],
        ),
        ("log36-ibm-3592-read-backward-errors", &[(1, 257), (2, 242), (6, 258), (7, 256)]),
        ("log37-80-ibm-3592", &[(0, 80), (1, 80), (0x10, 1), (0x11, 80), (0x12, 80), (0x1a, 80)]),
        (
            "log37-91-ibm-3592",
            &[
                (0x0102, 1369),
                (0x0202, 4171),
                (0x0302, 1_127_549),
                (0x0c02, 5_098_332),
                (0x0c12, 5_098_332),
                (0x0c1e, 1795),
                (0x0d14, 140_204),
            ],
        ),
        (
            "log38-ibm-3592-e06-zero-counters",
            &[
                (0, 8190),
                (4, 801),
                (8, 801),
                (9, 1_263_595),
                (0x0c, 976_562_500),
                (0x0e, 976_562_500),
                (0x10, 975_280_980),
                (0x11, 975_280_980),
            ],
        ),
        (
            "log3d-stk-t10000-drive-statistics",
            &[(0x0300, 262_669_168), (0x0301, 263_214_168), (0x0401, 13_999), (0x0402, 16_000)],
        ),
        ("log3e-hp-ultrium6-331u", &[(0, 0), (1, 0x0005_0100), (2, 751), (4, 0x0109_0233)]),
    ];
    for (name, values) in table {
        let page = page(name);
        for &(code, value) in *values {
            assert_eq!(page.number(code), Some(value), "{name} {code:04x}");
        }
    }
    let hp = page("log3e-hp-ultrium6-331u");
    assert_eq!(hp.parameter(3).unwrap().number(), Some(0xffff_ffff));
    assert_eq!(hp.number(3), None, "all ones is unknown");
    let stk = page("log3d-stk-t10000-drive-statistics");
    assert_eq!(stk.parameter(0x1000).unwrap().value.len(), 64);
    assert_eq!(stk.parameter(0x1310).unwrap().value.len(), 128);
    assert_eq!(stk.parameters.last().unwrap().code, 0x251f);
}

#[test]
fn error_counters() {
    for name in ["log02-ibm-3592", "log03-ibm-3592"] {
        let counters = ErrorCounters::decode(&load(name)).unwrap();
        assert_eq!(counters.retries, Some(0), "{name}");
        assert_eq!(counters.corrected, Some(2), "{name}");
        assert_eq!(counters.processed, Some(2), "{name}");
        assert_eq!(counters.uncorrected, Some(1), "{name}");
        assert_eq!(counters.corrected_fast, None, "not sent");
    }
    for name in ["log02-stk-t10000", "log03-stk-t10000"] {
        let counters = ErrorCounters::decode(&load(name)).unwrap();
        assert_eq!(counters.corrected, Some(2), "{name}");
        assert_eq!(counters.processed, Some(2048), "{name}");
        assert_eq!(counters.uncorrected, Some(1), "{name}");
        assert_eq!(counters.corrected_fast, Some(0), "{name}");
    }
    assert!(matches!(
        ErrorCounters::decode(&load("log06-ibm-3592")),
        Err(Error::WrongPage { found: 0x06, .. })
    ));
}

#[test]
fn sequential_access_counters_have_64_bits() {
    let zero = SequentialAccess::decode(&load("log0c-stk-t10000c-zero-counters")).unwrap();
    assert_eq!(zero.bytes_from_hosts, Some(0));
    assert_eq!(zero.cleaning_requested, Some(false));
    assert_eq!(zero.to_early_warning_mb, None);
    let marked = SequentialAccess::decode(&load("log0c-stk-t10000c-marker-counters")).unwrap();
    assert_eq!(marked.bytes_from_hosts, Some(0xabcd_ef11_2233_4455));
    assert_eq!(marked.bytes_to_medium, Some(0x1122_3344_5566_7788));
    assert_eq!(marked.bytes_from_medium, Some(0x99aa_bbcc_ddee_ff11));
    assert_eq!(marked.bytes_to_hosts, Some(0x2233_4455_6677_8899));
}

#[test]
fn capacity_and_its_unit() {
    let dat = TapeCapacity::decode(&load("log31-dat-kbytes")).unwrap();
    assert_eq!(dat.remaining, [Some(20_611_340), Some(0)]);
    assert_eq!(dat.maximum, [Some(20_925_215), Some(0)]);
    assert_eq!(dat.remaining_bytes(CapacityUnit::Kibibytes), Some(20_611_340 << 10));
    let lto = TapeCapacity::decode(&load("log31-lto-100gb-mebibytes")).unwrap();
    assert_eq!(lto.remaining[0], Some(95_364));
    assert_eq!(lto.maximum[0], Some(95_367));
    assert_eq!(lto.remaining_bytes(CapacityUnit::Mebibytes), Some(95_364 << 20));
}

#[test]
fn parameters_nobody_knows_are_kept() {
    let (parameters, cut) = walk(&load("log31-hp-ultrium6-35gd-parameters-5-to-8"));
    let seen: Vec<_> = parameters.iter().map(|p| (p.code, p.control, p.number())).collect();
    assert_eq!(seen, [5, 6, 7, 8].map(|code| (code, 0x60, Some(0))));
    assert!(!cut);

    let (parameters, cut) = walk(&load("log11-hp-ultrium6-35gd-parameters-8000-8010"));
    assert_eq!(parameters.len(), 2);
    assert_eq!((parameters[0].code, parameters[0].control), (0x8000, 3));
    assert_eq!(parameters[0].value, [0x21, 0x17, 0, 0x80, 0, 0x06]);
    assert_eq!((parameters[1].code, parameters[1].number()), (0x8010, Some(0x0100_0000_0000_0000)));
    assert!(!cut);
}

#[test]
fn volume_statistics() {
    let statistics = VolumeStatistics::decode(&load("log17-01-ibm-3592")).unwrap();
    assert!(statistics.valid && !statistics.truncated);
    assert_eq!(statistics.mounts, Some(18_886_754));
    assert_eq!(statistics.data_sets_written, Some(1_167_096));
    assert_eq!(statistics.write_errors, Some(1));
    assert_eq!(statistics.data_sets_read, Some(1_480_808));
    assert_eq!(statistics.lifetime_written_mb, Some(5_871_659));
    assert_eq!(statistics.lifetime_read_mb, Some(7_449_945));
    assert_eq!(statistics.capacity_mb, Some(10_000_000));
    assert_eq!(statistics.used_mb, Some(5));
    assert_eq!(statistics.serial.as_deref(), Some("147EB02565"));
    assert_eq!(statistics.barcode, None, "all spaces");
    assert_eq!(statistics.manufacturer.as_deref(), Some("IBM"));
    assert_eq!(statistics.personality.as_deref(), Some("3592JDG5"));
    assert_eq!(statistics.manufactured.as_deref(), Some("20140815"));
    assert_eq!((statistics.worm, statistics.write_protected), (Some(false), Some(false)));
    assert_eq!(statistics.first_encrypted, [(Partition(0), None)], "all ones is unknown");
    assert_eq!(statistics.partition_capacity_mb, [(Partition(0), Some(10_000_000))]);
    assert_eq!(statistics.partition_used_mb, [(Partition(0), Some(5))]);
    assert_eq!(statistics.partition_remaining_mb, [(Partition(0), Some(9_999_993))]);
    let mount = |index| Mount { index, vendor: "IBM".to_owned(), serial: "00078D849A".to_owned() };
    assert_eq!(statistics.mount_history, [0, 1, 2, 3].map(mount));
}

#[test]
fn unknown_values_per_partition() {
    let bytes = log_page(0x17, &load("log17-ibm-lto6-parameter-0203"));
    let statistics = VolumeStatistics::decode(&bytes).unwrap();
    let unknown: Vec<_> = (0..4).map(|n| (Partition(n), None)).collect();
    assert_eq!(statistics.partition_used_mb, unknown);
    assert!(!statistics.valid, "parameter 0 was not sent");
    assert_eq!(partition_records(&[7, 0, 0, 1, 0, 0, 0, 9, 7, 0, 0]), [(Partition(1), Some(9))]);
}

#[test]
fn tape_alert_flags() {
    let cut = TapeAlerts::decode(&load("log2e-mhvtl-quantum-scalar-32-of-324")).unwrap();
    assert!(cut.truncated && cut.alerts.is_empty());
    let raised = [0, 3, 0xc0, 1, 1, 0, 20, 0xc0, 1, 1, 0, 21, 0xc0, 1, 0, 0, 99, 0xc0, 1, 1];
    let alerts = TapeAlerts::decode(&log_page(0x2e, &raised)).unwrap();
    assert_eq!(format!("{:?}", alerts.alerts), "{3, 20}");
    assert!(!alerts.truncated);
    let response = [0, 0, 3, 8, 0x20, 0, 0x10, 0, 0, 0, 0, 0];
    assert_eq!(tape_alert_response(&log_page(0x12, &response)).unwrap(), alerts.alerts);
    assert!(tape_alert_response(&log_page(0x12, &response[..11])).is_err());
}

#[test]
fn device_status_of_a_calibrating_drive() {
    let parameters = [0, 0, 3, 4, 0x21, 0x96, 0x0b, 0x81, 0, 1, 3, 2, 0, 16];
    let status = DeviceStatus::decode(&log_page(0x11, &parameters)).unwrap();
    assert_eq!(status.activity, Activity::Calibrating);
    assert!(status.memory_accessible && status.initialised && status.in_transition);
    assert!(status.present && status.seated && status.threaded && !status.mounted);
    assert!(status.alert_changed && !status.cleaning_requested);
    assert_eq!(status.polling_delay_ms, Some(16));
    // Vendor parameters alone say nothing of the state.
    let vendor = load("log11-hp-ultrium6-35gd-parameters-8000-8010");
    assert!(DeviceStatus::decode(&log_page(0x11, &vendor)).is_err());
}

/// The HP drive repeats its state in parameter 8000h; its owner also published the decoded flags:
/// MACC, DINIT, MPRSNT, MSTD, MTHRD, MOUNTED, all else 0, no activity.
#[test]
fn device_status_of_a_real_drive() {
    let (parameters, _) = walk(&load("log11-hp-ultrium6-35gd-parameters-8000-8010"));
    let state = &parameters[0].value[..4];
    let page = log_page(0x11, &[&[0, 0, 3, 4], state].concat());
    let status = DeviceStatus::decode(&page).unwrap();
    let expected = DeviceStatus {
        removal_prevented: false,
        memory_accessible: true,
        compressing: false,
        write_protected: false,
        cleaning_requested: false,
        cleaning_required: false,
        initialised: true,
        in_transition: false,
        present: true,
        seated: true,
        threaded: true,
        mounted: true,
        activity: Activity::Idle,
        alert_changed: false,
        recovery_requested: false,
        encryption_service: false,
        polling_delay_ms: None,
        truncated: false,
    };
    assert_eq!(status, expected);
}

#[test]
fn device_statistics() {
    let mut parameters = Vec::new();
    for (code, value) in [(0u8, 554u32), (1, 3), (2, 40_000), (4, 7_000_000), (0x0c, 21)] {
        parameters.extend_from_slice(&[0, code, 3, 4]);
        parameters.extend_from_slice(&value.to_be_bytes());
    }
    parameters.extend_from_slice(b"\0\x41\x01\x0aHUJ808A5L4");
    let drive = DeviceStatistics::decode(&log_page(0x14, &parameters)).unwrap();
    assert_eq!((drive.loads, drive.cleanings), (Some(554), Some(3)));
    assert_eq!((drive.power_on_hours, drive.metres), (Some(40_000), Some(7_000_000)));
    assert_eq!((drive.power_cycles, drive.hard_read_errors), (Some(21), None));
    assert_eq!(drive.serial.as_deref(), Some("HUJ808A5L4"));
}

#[test]
fn lists_of_pages() {
    assert_eq!(supported_pages(&[0, 0, 0, 3, 0, 2, 0x17]).unwrap(), [(0, 0), (2, 0), (0x17, 0)]);
    let pairs = [0x40, 0xff, 0, 5, 0, 0, 0, 0xff, 0x17];
    assert_eq!(supported_pages(&pairs).unwrap(), [(0, 0), (0, 0xff)]);
    assert!(supported_pages(&[2, 0, 0, 0]).is_err());
}
