//! The service's file: the one that is shipped, what holds without one, and what is wrong with one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tapioca::serve::config::{CONFIG_BYTES_MAX, Config, Limits, MailTls, secret};

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/serve.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_shipped_file_says_what_it_says() {
    let config = Config::parse(&shipped()).unwrap();
    assert_eq!(config.state, PathBuf::from("/srv/tapioca"));
    assert_eq!(config.devices.drives, ["/dev/sg1", "/dev/sg2"]);
    assert_eq!(config.devices.changer.as_deref(), Some("/dev/sg3"));
    assert_eq!(config.devices.embedded, None);
    assert_eq!(config.listen.to_string(), "0.0.0.0:7420");
    assert_eq!(config.metrics.unwrap().to_string(), "127.0.0.1:9420");
    assert_eq!(config.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(config.limits, Limits::default(), "its comments tell what holds if left out");
    let mail = config.mail.unwrap();
    assert_eq!(
        (mail.server.as_str(), mail.port, mail.tls),
        ("mail.example.org", 587, MailTls::Starttls)
    );
    assert_eq!(mail.from.to_string(), "Tapioca <tapioca@example.org>");
    assert_eq!(mail.to.len(), 2);
    assert_eq!(mail.login.unwrap().1, PathBuf::from("/etc/tapioca/mail-password"));
    let hook = config.webhook.unwrap();
    assert!(
        hook.url.starts_with("https://") && hook.bearer_file.is_some() && hook.ca_file.is_some()
    );
}

/// The keys of each table of the shipped file, found without the parser of the product. One that cannot be along with
/// others is a comment with nothing between `#` and its name.
fn shipped_keys() -> Vec<String> {
    let mut table = String::new();
    let mut found = Vec::new();
    for line in shipped().lines().filter(|line| !line.starts_with("# ")) {
        let line = line.trim_start_matches('#');
        match line.split_once(" = ") {
            Some((key, _)) => found.push(format!("{table}{key}")),
            None if line.starts_with('[') => table = format!("{}.", &line[1..line.len() - 1]),
            None => {}
        }
    }
    found.sort();
    found
}

#[test]
fn the_shipped_file_has_every_key_with_a_comment() {
    // What the parser takes, by its own word: it lists the keys when it meets one that it does not know.
    let mut known = Vec::new();
    for table in ["", "limits", "mail", "webhook"] {
        let text = if table.is_empty() {
            "nonsense = 1".to_owned()
        } else {
            format!("[{table}]\nnonsense = 1")
        };
        let what = Config::parse(&text).unwrap_err().what;
        let keys = what.split_once("expected").unwrap().1.split('`').skip(1).step_by(2);
        let prefix = if table.is_empty() { String::new() } else { format!("{table}.") };
        known.extend(keys.map(|key| format!("{prefix}{key}")));
    }
    known.retain(|key| !["limits", "mail", "webhook"].contains(&key.as_str()));
    known.sort();
    assert_eq!(shipped_keys(), known);
    let text = shipped();
    let lines: Vec<&str> = text.lines().collect();
    for (nth, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with('[')) {
        assert!(
            lines[nth - 1].starts_with('#') || lines[nth + 1].starts_with('#'),
            "{line} has no comment"
        );
    }
}

#[test]
fn without_a_word_there_is_a_virtual_library() {
    let config = Config::parse("").unwrap();
    assert_eq!(config, Config::default());
    assert!(config.listen.ip().is_loopback() && config.metrics.is_none());
    let config = Config::parse("state = '/data'").unwrap();
    assert_eq!(config.devices.drives[0], "virtual:/data/library#drive0");
    assert_eq!(config.devices.changer.unwrap(), "virtual:/data/library#changer");
    assert_eq!(config.devices.embedded, Some(PathBuf::from("/data/library")));
    let without_robot = Config::parse("drives = ['/dev/sg0']").unwrap();
    assert_eq!((without_robot.devices.changer, without_robot.devices.embedded), (None, None));
}

const MAIL: &str = "[mail]\nserver = 'm'\nfrom = 'a@b.c'\nto = ['d@e.f']\n";

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_to_do() {
    for (text, what, hint) in [
        ("stat = '/x'", "1:1: unknown field `stat`, expected one of `state`", "docs/serve.toml"),
        ("state = 3", "1:9: invalid type: integer `3`, expected a string", "docs/serve.toml"),
        ("\nstate = 'x'", "2:9: \"x\" is no path from the root", "begin with /"),
        ("drives = []", "1:10: there can be 1 to 64 drives", "/dev/sg1"),
        ("drives = ['/dev/sg1', 'sg2']", "1:23: \"sg2\" is no drive", "virtual:/DIR#drive0"),
        ("drives = ['/dev/sg1', '/dev/sg1']", "1:23: /dev/sg1 stands there twice", ""),
        ("drives = ['virtual:/x#changer']", "1:11: \"virtual:/x#changer\" is no drive", "drive0"),
        ("changer = '/dev/sg1'", "1:11: a changer needs drives", "drives = "),
        (
            "drives = ['/dev/a']\nchanger = 'virtual:x#changer'",
            "2:11: \"virtual:x#changer\" is no changer",
            "/DIR",
        ),
        ("listen = 'box'", "1:10: \"box\" is no address to listen on", "0.0.0.0:7420"),
        ("metrics = '9420'", "1:11: \"9420\" is no address", "127.0.0.1:9420"),
        ("time_zone = 'Berlin'", "1:13: there is no time zone \"Berlin\"", "Europe/Berlin"),
        ("[limits]\nsync_s = 0", "2:10: 0 is not between 1 and 3600", ""),
        ("[limits]\nsync_memory_mib = -5", "2:19: -5 is not between 16 and 65536", ""),
        ("[mail]\nserver = 'm'", "1:1: missing field `from`", "docs/serve.toml"),
        (&format!("{MAIL}tls = 'yes'"), "5:7: \"yes\" is not known here", "starttls"),
        (&format!("{MAIL}user = 'u'"), "5:8: a user needs a password_file", "password"),
        (&format!("{MAIL}password_file = '/p'"), "1:1: a password_file needs a user", ""),
        (
            &format!("{MAIL}tls = 'none'\nuser = 'u'\npassword_file = '/p'"),
            "6:8: with tls = \"none\"",
            "starttls",
        ),
        (
            "[mail]\nserver = 'm'\nfrom = 'a'\nto = ['d@e.f']",
            "3:8: \"a\" is no mail address",
            "ops@example.org",
        ),
        ("[mail]\nserver = 'm m'\nfrom = 'a@b.c'\nto = ['d@e.f']", "2:10: \"m m\" is no name", ""),
        ("[mail]\nserver = 'm'\nfrom = 'a@b.c'\nto = []", "4:6: mail has 1 to 16 addresses", ""),
        ("[webhook]\nurl = 'ftp://x/'", "2:7: \"ftp://x/\" is no address", "https://"),
        ("[webhook]\nurl = '/hook'", "2:7: \"/hook\" is no address", "https://"),
        ("[webhook]\nurl = 'http://x/'\nbearer_file = '/t'", "3:15: with http the token", "https"),
    ] {
        let fault = Config::parse(text).expect_err(text);
        assert!(fault.what.starts_with(what), "{text}\nsays {}\nnot  {what}", fault.what);
        assert!(!fault.what.contains('\n') && fault.exit_code() == 2);
        assert!(fault.hint.unwrap_or_default().contains(hint), "{text}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let long = "#".repeat(CONFIG_BYTES_MAX + 1);
    assert!(Config::parse(&long).unwrap_err().what.contains("more than 65536 bytes"));
    let deep = format!("state = {}", "[".repeat(60_000));
    Config::parse(&deep).unwrap_err();
}

#[test]
fn a_file_is_named_in_what_is_said_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("serve.toml");
    let missing = Config::read(&path).unwrap_err();
    assert!(missing.what.starts_with(&format!("cannot read {}", path.display())));
    std::fs::write(&path, "state = '/x'\nlisten = 1").unwrap();
    let wrong = Config::read(&path).unwrap_err();
    assert!(wrong.what.starts_with(&format!("{}:2:10: ", path.display())), "{}", wrong.what);
    std::fs::write(&path, b"# one\n# two \xff\n").unwrap();
    assert!(Config::read(&path).unwrap_err().what.contains("serve.toml:2: this is not UTF-8"));
    std::fs::write(&path, "state = '/x'").unwrap();
    assert_eq!(Config::read(&path).unwrap().state, PathBuf::from("/x"));
}

#[test]
fn a_secret_is_read_only_where_nobody_else_can() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "swordfish\nsecond line\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let open = secret(&path).unwrap_err();
    assert!(open.what.contains("others may read") && open.hint.unwrap().starts_with("chmod 600"));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(secret(&path).unwrap().as_str(), "swordfish");
    for content in ["", "\n", "a\u{1b}b", &"x".repeat(5000)] {
        std::fs::write(&path, content).unwrap();
        let fault = secret(&path).unwrap_err();
        assert!(!fault.what.contains("xxx") && !fault.what.contains('\u{1b}'));
    }
}
