//! What the authority decides, one small scene after the other.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod clock;
mod scene;

use std::collections::BTreeSet;

use tapioca::authority::event::{
    CallId, ClientSide, Content, DriveAtHand, DriveId, Element, Ending, ErrandId, Event, Found,
    Said,
};
use tapioca::authority::{Action, Errand, Order, Reply};
use tapioca::catalogue::record::{
    JobId, JobState, Level, Machine, Medium, MediumState, Right, Ticket, User,
};
use tapioca::stream::StreamId;
use uuid::Uuid;

use scene::{DAY, DRIVE, NOW, Scene, caller, client, found, kept_on, volume};

#[test]
fn the_last_of_a_set_comes_before_blanks_and_blanks_before_what_expired() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let (old, mut old_set) = volume("OLD", 2, MediumState::Full, NOW - 9);
    let (older, mut older_set) = volume("OLDER", 3, MediumState::Full, NOW - 10);
    (old_set.closed, older_set.closed) = (true, true);
    let blank = Medium::new("BLANK", MediumState::Blank, "");
    let media = [old, older, blank, open];
    let sets = [old_set, older_set, set];
    for (n, expected) in [(4, "OPEN"), (3, "BLANK"), (2, "OLDER"), (1, "OLD")] {
        let media: Vec<Medium> = match n {
            1 => media[..1].to_vec(),
            n => media[..n].to_vec(),
        };
        let mut scene = Scene::new(media, sets.to_vec());
        scene.backup(5);
        assert_eq!(scene.fetched(), Some(expected), "of {n}");
    }
}

#[test]
fn what_must_not_be_written_is_not_and_a_person_is_asked() {
    let states = [
        MediumState::Foreign("tar".into()),
        MediumState::Damaged("torn".into()),
        MediumState::ReadOnly("old".into()),
        MediumState::Full,
    ];
    for state in states {
        let (full, mut set) = volume("T1", 1, state.clone(), NOW + DAY);
        set.closed = true;
        let mut scene = Scene::new(vec![full], vec![set]);
        let job = scene.backup(5);
        assert_eq!(scene.sent(), None, "{state:?}");
        assert!(scene.is_asked("that p can be written on"));
        assert_eq!(*scene.job(job), JobState::Queued, "it waits, and does not fail");
    }
    let blank = Medium { write_protected: true, ..Medium::new("T1", MediumState::Blank, "") };
    let mut scene = Scene::new(vec![blank], vec![]);
    scene.backup(5);
    assert_eq!(scene.sent(), None);
}

#[test]
fn a_client_is_told_only_behind_the_commit() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let job = scene.backup(5);
    scene.says(Said::Mounted(found(&open, 50)));
    assert_eq!(*scene.job(job), JobState::Running);
    let actions = scene.confirm(job, 0, 1000, "OPEN");
    assert!(matches!(actions[0], Action::Record(_)), "{actions:?}");
    assert!(matches!(actions[1], Action::Confirm { to: 1000, .. }));
    assert_eq!(scene.medium("OPEN").valid_to, 90);
    assert!(scene.medium("OPEN").expires_s >= Some(NOW + 30 * DAY));
    // Twice is once.
    assert!(scene.confirm(job, 0, 1000, "OPEN").is_empty());
    scene.says(Said::JobEnded { job, how: Ending::Whole { bytes: 1000, left_out: 0 } });
    assert_eq!(*scene.job(job), JobState::Done);
    let next = scene.backup(6);
    let work = &scene.state.job(next).unwrap().work;
    assert!(format!("{work:?}").contains(&format!("{:?}", Level::Since(job))));
}

#[test]
fn a_stream_that_is_not_all_recorded_is_not_done() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let job = scene.backup(5);
    scene.says(Said::Mounted(found(&open, 50)));
    scene.confirm(job, 0, 1000, "OPEN");
    scene.says(Said::JobEnded { job, how: Ending::Whole { bytes: 1001, left_out: 0 } });
    assert!(matches!(scene.job(job), JobState::Interrupted(_)));
    let reply = scene.orders(client(), Order::Resume { job });
    assert!(matches!(reply, Reply::Backup { recorded: 1000, over: false, .. }), "{reply:?}");
}

#[test]
fn a_tape_that_is_behind_is_damaged_and_never_written() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    scene.backup(5);
    let actions = scene.says(Said::Mounted(found(&open, 49)));
    assert!(matches!(scene.medium("OPEN").state, MediumState::Damaged(_)));
    assert!(scene.was_alarmed("OPEN"));
    assert!(!actions.iter().any(|a| matches!(a, Action::Drive { what: Errand::Begin { .. }, .. })));
}

#[test]
fn a_tape_that_is_ahead_is_adopted() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    scene.backup(5);
    scene.says(Said::Mounted(found(&open, 60)));
    assert_eq!(scene.medium("OPEN").valid_to, 60);
    assert!(
        scene.seen.iter().any(|action| matches!(
            action,
            Action::Drive { what: Errand::Begin { end: 60, .. }, .. }
        ))
    );
}

#[test]
fn somebody_else_under_our_barcode_is_not_touched() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let (other, _) = volume("OPEN", 2, MediumState::Appendable, NOW + DAY);
    let blank = Found::Blank { write_protected: false, worm: false };
    let strangers = [found(&other, 50), Found::Foreign("tar".into()), blank];
    for stranger in strangers {
        let mut scene = Scene::new(vec![open.clone()], vec![set.clone()]);
        scene.backup(5);
        scene.says(Said::Mounted(stranger));
        assert!(scene.is_asked("find the right one"));
        assert_eq!(scene.medium("OPEN").state, MediumState::Appendable, "ours is not lost");
        let is_put_away = matches!(scene.sent(), Some(Errand::Unload { to: Some(_) }));
        assert!(is_put_away, "who looks for the right one gets at it: {:?}", scene.sent());
    }
}

#[test]
fn who_has_the_wrong_barcode_is_put_away_before_the_right_one_is_looked_for() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let (other, _) = volume("OTHER", 2, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let tag = || Content::Tag("OPEN".into());
    let full = vec![(Element::Drive(DRIVE), tag()), (Element::Slot(1), tag())];
    let by = caller("olga", &[Right::Operate]);
    scene.orders(by.clone(), Order::Inventory);
    scene.happens(Event::Library(full.clone()));
    scene.orders(by.clone(), Order::Identify { tag: "OPEN".into() });
    scene.says(Said::Mounted(found(&other, 50)));
    assert!(scene.is_asked("out of slot 1: no slot is free"), "{:?}", scene.state.requests);
    assert!(
        !scene.is_asked("find the right one"),
        "it is in the drive: {:?}",
        scene.state.requests
    );
    scene.orders(by, Order::Inventory);
    scene.happens(Event::Library(vec![full[0].clone(), (Element::Slot(1), Content::Empty)]));
    assert_eq!(scene.sent(), Some(&Errand::Unload { to: Some(Element::Slot(1)) }));
    scene.says(Said::Unloaded);
    assert!(scene.is_asked("find the right one"), "{:?}", scene.state.requests);
}

#[test]
fn a_label_is_right_over_a_barcode_that_could_not_be_read_and_the_one_that_is_missing_is_asked_for()
{
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let (other, others) = volume("OTHER", 2, MediumState::Full, NOW + DAY);
    let mut scene = Scene::new(vec![open, other.clone()], vec![set, others]);
    // Somebody took OPEN out, and OTHER, whose barcode is worn, lies where it was.
    let empty = |at| (at, Content::Empty);
    let (first, second) = (Element::Slot(1), Element::Slot(2));
    let swapped = vec![empty(Element::Drive(DRIVE)), (first, Content::Untagged), empty(second)];
    let by = caller("olga", &[Right::Operate]);
    scene.orders(by, Order::Inventory);
    scene.library = swapped.clone();
    scene.happens(Event::Library(swapped));
    assert_eq!(scene.state.tag_in(first), Some("OPEN"), "what is there is believed to be still");
    scene.backup(5);
    assert_eq!(scene.fetched(), Some("OPEN"));
    scene.says(Said::Mounted(found(&other, 50)));
    scene.happens(Event::Library(vec![
        (Element::Drive(DRIVE), Content::Untagged),
        empty(first),
        empty(second),
    ]));
    assert_eq!(scene.state.tag_in(Element::Drive(DRIVE)), Some("OTHER"), "it says so itself");
    assert!(scene.is_asked("OPEN would do"), "{:?}", scene.state.requests);
    assert!(!scene.is_asked("find the right one"), "nobody bears its barcode");
}

#[test]
fn a_cartridge_is_not_in_a_drive_while_the_changer_reads_its_barcode_elsewhere() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let (other, _) = volume("OTHER", 2, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open], vec![set]);
    let (bay, slot) = (Element::Drive(DRIVE), Element::Slot(1));
    let tag = || Content::Tag("OPEN".into());
    let by = caller("olga", &[Right::Operate]);
    scene.orders(by.clone(), Order::Inventory);
    scene.happens(Event::Library(vec![(bay, tag()), (slot, Content::Empty)]));
    scene.backup(5);
    assert_eq!(scene.fetched(), Some("OPEN"), "it is looked at");
    // Nothing moves, so the changer may be asked meanwhile.
    scene.orders(by, Order::Inventory);
    scene.happens(Event::Library(vec![(bay, Content::Untagged), (slot, tag())]));
    scene.says(Said::Mounted(found(&other, 50)));
    assert_eq!(scene.state.place_of("OPEN"), Some(slot));
    assert_eq!(scene.state.tag_in(bay), Some("OTHER"));
    assert!(!scene.was_alarmed("OPEN"), "{:?}", scene.seen);
}

#[test]
fn to_destroy_takes_two_people_and_a_day() {
    let (full, set) = volume("T1", 1, MediumState::Full, NOW + DAY * 9);
    let mut scene = Scene::new(vec![full], vec![set]);
    let eve = || caller("eve", &[Right::Erase]);
    let Reply::Wish { number, not_before_s } =
        scene.orders(eve(), Order::Wish { tag: "T1".into() })
    else {
        panic!("no wish")
    };
    assert_eq!(not_before_s, NOW + DAY);
    let alone = scene.orders(eve(), Order::Agree { wish: number });
    assert!(matches!(alone, Reply::Refused { .. }));
    let powerless = scene.orders(client(), Order::Agree { wish: number });
    assert!(matches!(powerless, Reply::Refused { .. }));
    let reply = scene.orders(caller("eli", &[Right::Erase]), Order::Agree { wish: number });
    assert_eq!(reply, Reply::Done);
    for _ in 0..23 {
        scene.now += 3500;
        scene.happens(Event::Tick);
    }
    assert_eq!(scene.fetched(), None, "the day has not passed");
    for _ in 0..2 {
        scene.now += 3500;
        scene.happens(Event::Tick);
    }
    assert_eq!(scene.fetched(), Some("T1"));
}

#[test]
fn no_ticket_both_backs_up_and_erases() {
    let mut scene = Scene::new(vec![], vec![]);
    let rights: BTreeSet<Right> = [Right::BackUp, Right::Erase].into();
    let user = User {
        name: "ada".into(),
        credential: tapioca::catalogue::record::Credential::Machine,
        rights: rights.clone(),
        machines: BTreeSet::new(),
        disabled: false,
    };
    let admin = caller("root", &[Right::Administer]);
    assert_eq!(scene.orders(admin, Order::PutUser(user)), Reply::Done);
    for (rights, is_good) in [(rights, false), ([Right::BackUp].into(), true)] {
        let ticket = Ticket {
            id: [1; 16],
            hash: [2; 32],
            user: "ada".into(),
            machine: "ada".into(),
            rights,
            created_s: NOW,
            expires_s: None,
        };
        let reply = scene.orders(caller("ada", &[]), Order::PutTicket(ticket));
        assert_eq!(reply == Reply::Done, is_good, "{reply:?}");
    }
}

#[test]
fn an_order_takes_its_right() {
    let mut scene = Scene::new(vec![Medium::new("T1", MediumState::Blank, "")], vec![]);
    let orders = [
        Order::Identify { tag: "T1".into() },
        Order::Wish { tag: "T1".into() },
        Order::TrustClock,
        Order::DropPool { name: "p".into() },
        Order::Release { tag: "T1".into() },
    ];
    for order in orders {
        let reply = scene.orders(client(), order.clone());
        assert!(matches!(reply, Reply::Refused { .. }), "{order:?}");
    }
    let elsewhere =
        Order::Restore { of: vec![JobId(1)], only: vec![], to: "bob".into(), priority: 0 };
    assert!(matches!(scene.orders(client(), elsewhere), Reply::Refused { .. }));
}

#[test]
fn a_full_medium_is_followed_by_the_next_of_its_set() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let blank = Medium::new("BLANK", MediumState::Blank, "");
    let mut scene = Scene::new(vec![open.clone(), blank], vec![set.clone()]);
    let job = scene.backup(5);
    scene.says(Said::Mounted(found(&open, 50)));
    scene.confirm(job, 0, 1000, "OPEN");
    scene.says(Said::NeedsMedium { fault: None });
    assert_eq!(scene.medium("OPEN").state, MediumState::Full);
    assert_eq!(scene.fetched(), Some("BLANK"));
    scene.says(Said::Mounted(Found::Blank { write_protected: false, worm: false }));
    let Some(Errand::Label { set: Some(of), number: 2, over: None, .. }) = scene.sent() else {
        panic!("{:?}", scene.sent())
    };
    assert_eq!(*of, set.id);
}

#[test]
fn what_is_in_use_for_a_moment_costs_seconds() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    scene.backup(5);
    for rest_s in [5, 10, 20, 40] {
        scene.says(Said::Failed("it is in use by another process".into()));
        let library = scene.library.clone();
        scene.happens(Event::Library(library));
        scene.seen.clear();
        scene.now += rest_s - 1;
        scene.happens(Event::Tick);
        assert_eq!(scene.sent(), None, "it rests for {rest_s} s");
        scene.now += 1;
        scene.happens(Event::Tick);
        assert_eq!(scene.fetched(), Some("OPEN"), "after {rest_s} s");
    }
    scene.says(Said::Mounted(found(&open, 50)));
    assert!(matches!(scene.sent(), Some(Errand::Join { .. })), "{:?}", scene.sent());
}

#[test]
fn what_a_job_waits_for_is_not_asked_out() {
    let (old, mut old_set) = volume("OLD", 1, MediumState::Full, NOW + DAY);
    let (next, mut next_set) = volume("NEXT", 2, MediumState::Full, NOW + DAY);
    (old_set.closed, next_set.closed) = (true, true);
    for waits in ["OLD", "NEXT"] {
        let media = vec![
            old.clone(),
            next.clone(),
            Medium::new("IN", MediumState::Foreign("tar".into()), ""),
        ];
        let mut scene = Scene::new(media, vec![old_set.clone(), next_set.clone()]);
        let tag = |tag: &str| Content::Tag(tag.into());
        scene.library = vec![
            (Element::Drive(DRIVE), tag("IN")),
            (Element::Slot(1), tag("OLD")),
            (Element::Slot(2), tag("NEXT")),
        ];
        let operator = || caller("olga", &[Right::Operate]);
        scene.orders(operator(), Order::Inventory);
        let library = scene.library.clone();
        scene.happens(Event::Library(library));
        scene.orders(operator(), Order::Identify { tag: waits.into() });
        let other = if waits == "OLD" { "NEXT" } else { "OLD" };
        assert!(scene.is_asked(&format!("take {other} out")), "{:?}", scene.state.requests);
    }
}

#[test]
fn a_blank_that_is_put_in_by_hand_gets_a_name() {
    let mut scene = Scene::new(vec![], vec![]);
    let by_hand = DriveAtHand { drive: DRIVE, has_changer: false };
    scene.happens(Event::Started { drives: vec![by_hand] });
    scene.says(Said::Mounted(Found::Nothing));
    scene.happens(Event::Library(vec![]));
    scene.backup(5);
    assert!(scene.is_asked("into drive 1"), "{:?}", scene.state.requests);
    let request = scene.state.requests.values().next().unwrap().id;
    let by = caller("olga", &[Right::Operate]);
    let how = tapioca::authority::event::Answered::Done;
    scene.happens(Event::Answer { request, by, how });
    scene.says(Said::Mounted(Found::Blank { write_protected: false, worm: false }));
    let label = scene.sent();
    assert!(matches!(label, Some(Errand::Label { tag, .. }) if tag == "HAND001"), "{label:?}");
    // Should the labelling fail, its name may be on it all the same.
    assert_eq!(scene.medium("HAND001").pool.as_deref(), Some("p"), "no other blank gets that name");
}

#[test]
fn a_drive_that_comes_later_is_used_and_one_that_was_lost_is_there_again() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let lost = |drive| Event::Drive { drive, errand: ErrandId(0), said: Said::Lost("gone".into()) };
    scene.happens(lost(DRIVE));
    scene.seen.clear();
    scene.backup(5);
    assert!(!scene.seen.iter().any(|a| matches!(a, Action::Drive { .. })), "{:?}", scene.seen);
    let second = DriveId(DRIVE.0 + 1);
    scene.happens(Event::Came(DriveAtHand { drive: second, has_changer: true }));
    let mut library = scene.library.clone();
    library.push((Element::Drive(second), Content::Empty));
    scene.happens(Event::Library(library));
    let is_sent = |scene: &Scene, wanted| {
        scene.seen.iter().any(|a| matches!(a, Action::Drive { drive, .. } if *drive == wanted))
    };
    assert!(is_sent(&scene, second) && !is_sent(&scene, DRIVE), "{:?}", scene.seen);
    scene.happens(lost(second));
    scene.seen.clear();
    scene.happens(Event::Came(DriveAtHand { drive: DRIVE, has_changer: true }));
    let library = scene.library.clone();
    scene.happens(Event::Library(library));
    scene.now += 3600;
    scene.happens(Event::Tick);
    assert!(is_sent(&scene, DRIVE) && !is_sent(&scene, second), "{:?}", scene.seen);
}

#[test]
fn a_drive_keeps_its_errand_until_it_is_lost_whoever_says_that_it_is_back() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open], vec![set]);
    scene.backup(5);
    assert_eq!(scene.fetched(), Some("OPEN"));
    scene.seen.clear();
    scene.says(Said::Back);
    assert_eq!(scene.sent(), None, "that was said before: it may be under way");
    scene.says(Said::Lost("no answer".into()));
    scene.now += 3600;
    scene.happens(Event::Tick);
    assert_eq!(scene.sent(), None, "nobody is there");
    scene.says(Said::Back);
    let library = scene.library.clone();
    scene.happens(Event::Library(library));
    assert_eq!(scene.fetched(), Some("OPEN"));
}

#[test]
fn a_machine_over_its_quota_gives_no_more() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let machine =
        Machine { name: "ada".into(), address: None, quota_bytes: Some(900), jobs_max: 9 };
    scene.orders(caller("root", &[Right::Administer]), Order::PutMachine(machine));
    let job = scene.backup(5);
    scene.says(Said::Mounted(found(&open, 50)));
    let actions = scene.confirm(job, 0, 1000, "OPEN");
    assert!(actions.iter().any(|a| matches!(a, Action::EndStream { cut: Some(_), .. })));
    let stream = StreamId(Uuid::from_u128(9));
    let (name, pool) = ("home".to_owned(), "p".to_owned());
    let order = Order::Backup { name, incremental: true, pool, stream, priority: 0 };
    assert!(matches!(scene.orders(client(), order), Reply::Refused { .. }));
    scene.says(Said::JobEnded { job, how: Ending::Cut("its client is gone".into()) });
    let again = scene.orders(client(), Order::Resume { job });
    assert!(matches!(again, Reply::Refused { .. }), "{again:?}");
    for _ in 0..24 {
        scene.now += DAY / 24;
        scene.happens(Event::Tick);
    }
    let tomorrow = scene.orders(client(), Order::Resume { job });
    assert!(matches!(tomorrow, Reply::Backup { recorded: 1000, .. }), "{tomorrow:?}");
}

#[test]
fn a_machine_that_goes_leaves_no_job_behind() {
    let mut scene = Scene::new(vec![], vec![]);
    let job = scene.backup(5);
    assert_eq!(*scene.job(job), JobState::Queued);
    let root = || caller("root", &[Right::Administer]);
    assert_eq!(scene.orders(root(), Order::DropMachine { name: "ada".into() }), Reply::Done);
    assert!(matches!(scene.job(job), JobState::Cancelled(_)), "{:?}", scene.job(job));
    let again = scene.orders(client(), Order::Resume { job });
    assert!(matches!(&again, Reply::Backup { over: true, .. }), "{again:?}");
}

#[test]
fn what_a_machine_left_is_restored_to_another() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open.clone()], vec![set]);
    let job = scene.backup(5);
    scene.says(Said::Mounted(found(&open, 50)));
    scene.confirm(job, 0, 1000, "OPEN");
    scene.says(Said::JobEnded { job, how: Ending::Whole { bytes: 1000, left_out: 0 } });
    let root = || caller("root", &[Right::Administer, Right::Restore, Right::RestoreElsewhere]);
    let bob = Machine { name: "bob".into(), address: None, quota_bytes: None, jobs_max: 1 };
    assert_eq!(scene.orders(root(), Order::PutMachine(bob)), Reply::Done);
    let back = Order::Restore { of: vec![job], only: vec![], to: "bob".into(), priority: 0 };
    let Reply::Job(back) = scene.orders(root(), back) else { panic!("refused") };
    assert_eq!(scene.orders(root(), Order::DropMachine { name: "ada".into() }), Reply::Done);
    assert_eq!(*scene.job(back), JobState::Queued, "it is bob's");
    let is_planned = |scene: &Scene| {
        scene.seen.iter().any(|action| matches!(action, Action::Plan { job } if *job == back))
    };
    assert!(!is_planned(&scene), "bob is not here");
    let side = ClientSide::Came { stream: StreamId(Uuid::from_u128(6)), from: 0 };
    scene.happens(Event::Client { job: back, side });
    assert!(is_planned(&scene));
}

#[test]
fn what_lies_in_a_mail_slot_is_looked_for_before_it_is_taken_in() {
    let mut scene = Scene::new(vec![], vec![]);
    let mail = Element::MailSlot(16);
    let order =
        Event::Asked { call: CallId(7), by: caller("op", &[Right::Operate]), order: Order::Import };
    assert_eq!(scene.happens(order), [Action::TakeInventory]);
    let mut found = scene.library.clone();
    found.push((mail, Content::Tag("NEW".into())));
    let moved = Action::Move { from: mail, to: Element::Slot(99) };
    assert!(scene.happens(Event::Library(found.clone())).contains(&moved));
    let moved = Event::Moved { from: mail, to: Element::Slot(99), trouble: None };
    let answer = Action::Answer { call: CallId(7), reply: Reply::Done };
    assert!(scene.happens(moved).contains(&answer));

    // A changer that does not say gives nothing to take in.
    let mut scene = Scene::new(vec![], vec![]);
    let order =
        Event::Asked { call: CallId(8), by: caller("op", &[Right::Operate]), order: Order::Import };
    assert_eq!(scene.happens(order), [Action::TakeInventory]);
    let said = scene.happens(Event::LibraryTrouble("jammed".into()));
    let is_refusal = |action: &Action| {
        matches!(action, Action::Answer { call: CallId(8), reply: Reply::Refused { .. } })
    };
    assert!(said.iter().any(is_refusal), "{said:?}");
}

#[test]
fn what_is_left_when_one_copy_goes_is_kept_as_long_as_the_job() {
    let long_s = NOW + 30 * DAY;
    let (first, first_set) = volume("FIRST", 1, MediumState::Appendable, long_s);
    let (copy, mut copy_set) = volume("COPY", 2, MediumState::Full, NOW + 2 * DAY);
    copy_set.closed = true;
    let scene = || {
        let job = kept_on(&[&first, &copy], long_s);
        let sets = vec![first_set.clone(), copy_set.clone()];
        Scene::after(vec![job], vec![first.clone(), copy.clone()], sets)
    };

    // It is damaged.
    let mut damaged = scene();
    damaged.backup(5);
    damaged.says(Said::Mounted(found(&first, 5)));
    assert!(matches!(damaged.medium("FIRST").state, MediumState::Damaged(_)));
    assert_eq!(*damaged.job(JobId(1)), JobState::Done, "it is whole elsewhere");
    assert_eq!(damaged.medium("COPY").expires_s, Some(long_s));

    // Two people want it destroyed.
    let mut erased = scene();
    let by = |user| caller(user, &[Right::Erase]);
    let wish = erased.orders(by("eve"), Order::Wish { tag: "FIRST".into() });
    let Reply::Wish { number, .. } = wish else { panic!("no wish") };
    erased.orders(by("eli"), Order::Agree { wish: number });
    for _ in 0..25 {
        erased.now += 3500;
        erased.happens(Event::Tick);
    }
    assert_eq!(erased.fetched(), Some("FIRST"));
    assert_eq!(erased.medium("COPY").expires_s, Some(NOW + 2 * DAY), "the first is there still");
    erased.says(Said::Mounted(found(&first, 50)));
    assert_eq!(erased.medium("FIRST").state, MediumState::Blank);
    assert_eq!(erased.medium("COPY").expires_s, Some(long_s));
}

#[test]
fn a_drive_that_was_touched_at_work_is_looked_into_before_it_works_on() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    for is_touched in [true, false] {
        let mut scene = Scene::new(vec![open.clone()], vec![set.clone()]);
        let by_hand = DriveAtHand { drive: DRIVE, has_changer: false };
        scene.happens(Event::Started { drives: vec![by_hand] });
        scene.happens(Event::Library(vec![]));
        scene.says(Said::Mounted(found(&open, 50)));
        scene.backup(5);
        assert!(matches!(scene.sent(), Some(Errand::Join { .. })), "{:?}", scene.sent());
        if is_touched {
            scene.orders(caller("olga", &[Right::Operate]), Order::Inventory);
        }
        scene.says(Said::SessionOver { fault: None, end: 50 });
        scene.backup(6);
        let looks = matches!(scene.sent(), Some(Errand::Mount { tag: None, .. }));
        assert_eq!(looks, is_touched, "{:#?}", scene.seen);
    }
}
