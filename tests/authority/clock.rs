//! A clock that jumps.

use super::*;

#[test]
fn a_jump_of_the_clock_makes_nothing_old() {
    let (full, mut set) = volume("T1", 1, MediumState::Full, NOW + DAY);
    set.closed = true;
    let mut scene = Scene::new(vec![full], vec![set]);
    scene.backup(5);
    scene.now += 30 * DAY;
    scene.happens(Event::Tick);
    assert_eq!(scene.sent(), None);
    assert!(scene.is_asked("is it right"));
    scene.orders(caller("root", &[Right::Administer]), Order::TrustClock);
    scene.happens(Event::Tick);
    assert_eq!(scene.fetched(), Some("T1"));
}

#[test]
fn what_failed_is_tried_again_while_the_clock_is_doubted() {
    let (open, set) = volume("OPEN", 1, MediumState::Appendable, NOW + DAY);
    let mut scene = Scene::new(vec![open], vec![set]);
    scene.now += 2 * DAY;
    scene.happens(Event::Tick);
    assert!(scene.is_asked("is it right"), "{:?}", scene.state.requests);
    scene.backup(5);
    assert_eq!(scene.fetched(), Some("OPEN"));
    scene.says(Said::Failed("a hiccup".into()));
    let library = scene.library.clone();
    scene.happens(Event::Library(library));
    let first = scene.errand;
    scene.now += 60;
    scene.happens(Event::Tick);
    assert!(scene.errand > first && scene.fetched() == Some("OPEN"), "{:?}", scene.sent());
    assert!(scene.is_asked("is it right"), "nobody said so yet");
}
