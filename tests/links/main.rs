//! `tapioca net` on a link of its own, with somebody else's DHCP server, a steward, and the rights it has on a box.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dhcproto::v4::MessageType;
use rig::{PASSWORD, Rig, is_asking};
use tapioca::steward::client::Steward;
use tapioca::steward::message::{Answer, Ask};
use tapioca::tapicom::message::Secret;

#[test]
fn an_address_a_way_out_names_and_the_time_come_from_dnsmasq() {
    let Some(mut rig) = Rig::new(1) else { return };
    rig.time_server(7200);
    rig.net();
    rig.until("a question", is_asking);
    rig.dnsmasq(50);
    rig.until("an address", |rig| rig.addresses().len() == 1);
    let first = rig.addresses();
    let is_of_range = |address: &String| {
        let last = address.strip_prefix("10.77.0.")?.strip_suffix("/24")?.parse::<u8>().ok()?;
        Some((50..=60).contains(&last))
    };
    assert_eq!(is_of_range(&first[0]), Some(true), "{first:?}");
    rig.until("a way out", |rig| rig.routes().starts_with("default via 10.77.0.1 dev eth0"));
    rig.until("names", |rig| rig.names() == "nameserver 10.77.0.1\nnameserver 10.77.0.2\n");
    rig.until("the steward to know", |rig| {
        rig.told().first().is_some_and(|link| link.how == "dhcp, lease 120 s")
    });
    let told = rig.told();
    assert_eq!((told.len(), told[0].place.as_str(), told[0].carrier), (1, "eth0", true));
    assert_eq!((&told[0].addresses, told[0].gateway.as_deref()), (&first, Some("10.77.0.1")));
    // It has no right to set the clock here, and says what it would do.
    rig.until("the time", |rig| rig.said("net", "the clock is off") > 0);
    assert!(rig.log().contains("cannot set the clock"));

    // dnsmasq says to renew after three seconds. The name is told.
    rig.until("three renewals", |rig| rig.said("dnsmasq", "DHCPACK(lan0)") >= 4);
    assert_eq!(rig.addresses(), first);
    assert!(rig.said("dnsmasq", "tapioca") > 0);
    rig.until("quiet", |rig| !is_asking(rig));

    // Another server knows nothing of the lease.
    rig.kill("dnsmasq");
    rig.dnsmasq(100);
    rig.until("another address", |rig| {
        let now = rig.addresses();
        now.len() == 1 && now[0].starts_with("10.77.0.1") && now != first
    });
    assert!(rig.said("dnsmasq", "DHCPNAK(lan0)") > 0);
    rig.until("a way out", |rig| rig.routes().starts_with("default via 10.77.0.1 dev eth0"));
}

#[test]
fn a_lease_ends_when_nobody_renews_it_and_comes_back() {
    let Some(mut rig) = Rig::new(2) else { return };
    let gives = Arc::new(AtomicBool::new(true));
    let asked = rig.short(6, gives.clone());
    rig.net();
    rig.until("an address", |rig| rig.addresses() == ["10.77.0.200/24"]);
    let requests =
        || asked.lock().unwrap().iter().filter(|kind| **kind == MessageType::Request).count();
    rig.until("renewals", |_| requests() >= 3);
    assert_eq!(rig.addresses(), ["10.77.0.200/24"]);
    gives.store(false, Ordering::Relaxed);
    rig.until("the end", |rig| rig.addresses().is_empty());
    assert_eq!(asked.lock().unwrap().last(), Some(&MessageType::Discover));
    rig.until("the steward to know", |rig| {
        rig.told().first().is_some_and(|link| link.how == "dhcp, asking")
    });
    gives.store(true, Ordering::Relaxed);
    rig.until("an address", |rig| rig.addresses() == ["10.77.0.200/24"]);

    // The cable goes out and in: the address is asked for again at once.
    let discovers =
        || asked.lock().unwrap().iter().filter(|kind| **kind == MessageType::Discover).count();
    let before = discovers();
    rig.cable(false);
    rig.until("no carrier", |rig| rig.told().first().is_some_and(|link| !link.carrier));
    rig.cable(true);
    rig.until("carrier", |rig| rig.told().first().is_some_and(|link| link.carrier));
    rig.until("an address", |rig| rig.addresses() == ["10.77.0.200/24"]);
    assert_eq!(discovers(), before);
}

fn commit(steward: &mut Steward, lines: &[&str]) {
    for line in lines {
        let words = line.split(' ').map(str::to_owned).collect();
        assert_eq!(steward.ask(&Ask::Set { words }), Ok(Answer::Done), "{line}");
    }
    let commit = Ask::Commit { by: "test".into(), words: String::new(), confirm_s: None };
    let answer = steward.ask(&commit).unwrap();
    assert!(matches!(answer, Answer::Committed { .. }), "{answer:?}");
}

#[test]
fn settings_are_followed_as_they_change_and_across_stewards() {
    let Some(mut rig) = Rig::new(3) else { return };
    rig.dnsmasq(50);
    rig.net();
    rig.until("an address", |rig| rig.addresses().len() == 1);
    let mut steward = rig.claim();
    let own = ["network any address 10.77.0.9/24", "network any gateway 10.77.0.1"];
    commit(&mut steward, &[own[0], own[1], "network any dns 10.77.0.3"]);
    rig.until("the static address", |rig| rig.addresses() == ["10.77.0.9/24"]);
    rig.until("a way out", |rig| rig.routes().starts_with("default via 10.77.0.1 dev eth0"));
    rig.until("names", |rig| rig.names() == "nameserver 10.77.0.3\n");
    assert!(!is_asking(&rig));
    rig.until("the steward to know", |rig| {
        rig.told().first().is_some_and(|link| link.how == "static" && link.gateway.is_some())
    });

    // Another steward is told all of it again, and asked for what it has.
    drop(steward);
    rig.kill("steward");
    rig.steward();
    rig.until("the steward to know", |rig| !rig.told().is_empty());
    let mut steward = Steward::connect(&rig.at("steward.sock")).unwrap();
    let login = Ask::Login { password: Secret::new(PASSWORD) };
    assert_eq!(steward.ask(&login), Ok(Answer::Done));
    let delete =
        |word: &str| Ask::Delete { words: vec!["network".into(), "any".into(), word.into()] };
    assert_eq!(steward.ask(&delete("gateway")), Ok(Answer::Done));
    assert_eq!(steward.ask(&delete("dns")), Ok(Answer::Done));
    commit(&mut steward, &["network any address off"]);
    rig.until("nothing", |rig| !rig.is_up() && rig.addresses().is_empty());
    rig.until("no names", |rig| rig.names().is_empty());
    commit(&mut steward, &["network any address dhcp"]);
    rig.until("an address", |rig| rig.addresses().len() == 1 && rig.is_up());

    // `net` ends when it is told, and leaves the link as it is.
    rig.end("net");
    assert_eq!(rig.addresses().len(), 1);
}
