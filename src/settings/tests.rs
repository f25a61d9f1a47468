//! Settings typed, shown, compared and rendered.

use super::keys::{KEYS, Sort};
use super::{Settings, diff};

fn set(settings: &Settings, line: &str) -> Settings {
    let words: Vec<&str> = line.split(' ').collect();
    settings.set(&words).unwrap_or_else(|fault| panic!("{line}: {fault} {:?}", fault.hint))
}

fn refused(settings: &Settings, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    settings.set(&words).unwrap_err().what
}

fn with(lines: &[&str]) -> Settings {
    lines.iter().fold(Settings::default(), |settings, line| set(&settings, line))
}

#[test]
fn every_key_takes_its_example_and_can_be_deleted() {
    for key in KEYS {
        let words: Vec<&str> = key
            .words
            .iter()
            .map(|word| match *word {
                "<link>" => "52:54:00:12:34:56",
                "<port>" => "ttyS0",
                word => word,
            })
            .collect();
        let line = format!("{} {}", words.join(" "), key.example);
        let settings = set(&Settings::default(), &line);
        let shown: Vec<String> = settings.lines().iter().map(ToString::to_string).collect();
        match key.sort {
            Sort::Secret => assert_eq!(shown, [format!("{} (secret)", words.join(" "))]),
            _ => assert_eq!(shown, [line]),
        }
        assert_eq!(Settings::parse(&settings.text()), Ok(settings.clone()));
        assert_eq!(settings.delete(&words), Ok(Settings::default()));
        assert!(Settings::default().delete(&words).is_err());
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let none = Settings::default();
    for (line, what) in [
        ("nmae x", "settings: no setting \"nmae\""),
        ("serve lissen 1", "serve: no setting \"lissen\""),
        ("network any", "network any: is not all of a setting's name"),
        ("name", "name: no value is given"),
        ("name a b", "name: has one value"),
        ("name -x", "name: \"-x\" is no name of a host: letters, digits and - inside, 63 at most"),
        (
            "network any address 10.0.0.5",
            "network any address: \"10.0.0.5\" is neither dhcp, off, nor an address with its prefix: 10.0.0.5/24",
        ),
        (
            "network any address 127.0.0.1/8",
            "network any address: 127.0.0.1 is no address of a host",
        ),
        (
            "network eth0 address dhcp",
            "network eth0 address: \"eth0\" is no link: any, 0000:00:02.0 or 52:54:00:12:34:56, in small letters",
        ),
        (
            "console ttyS0 speed 19200",
            "console ttyS0 speed: 19200 is no speed of a serial line: 115200, 57600, 38400 or 9600",
        ),
        ("serve limits sync_s 0", "serve limits sync_s: \"0\" is no number from 1 to 3600"),
        (
            "time_zone Mars",
            "time_zone: \"Mars\" is no time zone: they are called like Europe/Berlin, or UTC",
        ),
    ] {
        assert_eq!(refused(&none, line), what);
    }
    let text = "name = \"box\"\n[network.any]\naddress = \"10.0.0.5\"\n";
    let fault = Settings::parse(text).unwrap_err();
    assert!(fault.what.starts_with("3:11: "), "{fault}");
    assert!(Settings::parse("nmae = 1").unwrap_err().what.starts_with("1:1: unknown field `nmae`"));
}

#[test]
fn values_have_to_agree() {
    for (lines, what) in [
        (
            &["network any address 10.0.0.5/24", "network any gateway 10.0.1.1"][..],
            "network any gateway: 10.0.1.1 is not in the network of 10.0.0.5/24",
        ),
        (
            &["network any gateway 10.0.1.1"],
            "network any gateway: goes with an address of its own only",
        ),
        (&["serve drives drive-a drive-a"], "serve drives: drive-a is named twice"),
        (&["serve drives changer-a"], "serve drives: changer-a is no drive"),
        (&["serve drives none"], "serve drives: none is no drive"),
        (&["serve changer drive-a"], "serve changer: drive-a is no changer"),
        (&["serve changer embedded"], "serve changer: embedded is no changer"),
        (
            &["serve drives attached drive-a"],
            "serve drives: attached are all drives: none goes beside it",
        ),
        (
            &["serve drives embedded drive-a"],
            "serve drives: embedded is a whole library: nothing goes beside it",
        ),
        (&["serve mail server mx"], "serve mail from: is needed for mail"),
    ] {
        assert_eq!(with(lines).check().unwrap_err().what, what);
    }
    let fine = ["network any address 10.0.0.5/24", "network any gateway 10.0.0.1"];
    assert_eq!(with(&fine).check(), Ok(()));
}

#[test]
fn differences_are_lines_to_be_read() {
    let before =
        with(&["name one", "ntp a b", "serve webhook url https://a/b", "serve webhook token x"]);
    let after = set(&set(&before, "name two"), "serve webhook token y");
    let after = after.delete(&["ntp"]).unwrap();
    let expected = [
        "- name one",
        "+ name two",
        "- ntp a b",
        "- serve webhook token (secret)",
        "+ serve webhook token (secret)",
    ];
    assert_eq!(diff(&before, &after), expected);
    assert!(diff(&after, &after).is_empty());
}
