//! Power cuts: at every sync of a workload, with what was not synced lost, kept in part or torn.
//!
//! The workload runs once, on a store that remembers what it was told. Then for each moment an image is made
//! of what was synced before and some of what was not, and opened: it must hold what was committed
//! and answered, and of what was on its way all or nothing.

use tapioca::catalogue::record::{Change, JobId, Record};
use tapioca::catalogue::{Catalogue, Commit};

use crate::common::{All, Recorder, Told, job, list, puts, records, run, tell, user};

/// Disks write so much at once.
const SECTOR: usize = 512;

/// What was read after each commit, and how much had been told by then.
fn workload(store: &Recorder) -> Vec<(usize, All)> {
    let mut catalogue = Catalogue::on(store.clone()).unwrap();
    let mut states = Vec::new();
    let mut commits: Vec<Commit> = Vec::new();
    let mut add = |changes: Vec<Change>, runs| {
        commits.push(Commit { changes, runs, ..Commit::default() });
    };
    add(puts(records()), vec![run(1, list(2000, 1))]);
    add(puts(vec![user("carl")]), vec![]);
    add(vec![Change::DropUser("anna".into())], vec![run(300, list(300, 2))]);
    for n in 0..4 {
        add(puts(vec![Record::Job(job(400 + n))]), vec![run(400 + n, list(200 * n, n))]);
    }
    add(puts((0..200).map(|n| user(&format!("user {n}"))).collect()), vec![run(1, list(50, 5))]);
    let drop_runs = vec![JobId(300), JobId(402)];
    commits.push(Commit { drop_runs, ..Commit::default() });
    let state = |catalogue: &Catalogue| All::of(&catalogue.reader().snapshot().unwrap()).unwrap();
    states.push((store.told(), state(&catalogue)));
    for commit in commits {
        catalogue.commit(commit).unwrap();
        states.push((store.told(), state(&catalogue)));
    }
    states
}

/// Numbers that look like chance and are the same every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// What becomes of writes that no sync confirmed.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Lost,
    Kept,
    /// Some of them are on the disk.
    Some(u64),
    /// Of each some sectors are.
    Torn(u64),
}

fn suffer(image: &mut Vec<u8>, told: &[Told], fate: Fate) {
    let mut dice = Dice(match fate {
        Fate::Some(seed) | Fate::Torn(seed) => seed | 1,
        Fate::Lost | Fate::Kept => 1,
    });
    for one in told {
        match (fate, one) {
            (Fate::Lost, _) => {}
            (Fate::Kept, one) => tell(image, one),
            (Fate::Some(_), one) if dice.throw().is_multiple_of(2) => tell(image, one),
            (Fate::Torn(_), Told::Write(at, bytes)) => {
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if dice.throw().is_multiple_of(2) {
                        let at = at + (number * SECTOR) as u64;
                        tell(image, &Told::Write(at, sector.to_vec()));
                    }
                }
            }
            (Fate::Torn(_), one) => tell(image, one),
            (Fate::Some(_), _) => {}
        }
    }
}

#[test]
fn after_a_power_cut_at_any_sync_exactly_what_was_committed_is_there() {
    let store = Recorder::default();
    let states = workload(&store);
    let told = store.0.lock().unwrap().1.clone();
    let seeds = if std::env::var_os("TAPIOCA_LONG").is_some() { 24 } else { 2 };
    let some = (0..seeds).flat_map(|n| [Fate::Some(n * 77 + 5), Fate::Torn(n * 91 + 3)]);
    let fates: Vec<Fate> = [Fate::Lost, Fate::Kept].into_iter().chain(some).collect();
    let syncs: Vec<usize> = told
        .iter()
        .enumerate()
        .filter(|(_, t)| matches!(t, Told::Sync))
        .map(|(at, _)| at)
        .collect();
    // Before the first state there is no catalogue that could be opened.
    let first = states[0].0;
    let (mut cuts, mut image, mut done) = (0, Vec::new(), 0);
    for (at, next) in syncs.iter().zip(syncs.iter().skip(1).chain([&told.len()])) {
        told[done..=*at].iter().for_each(|one| tell(&mut image, one));
        done = at + 1;
        if *at + 1 < first {
            continue;
        }
        let answered = states.iter().rposition(|(told, _)| *told <= at + 1).unwrap();
        for fate in &fates {
            let mut after = image.clone();
            suffer(&mut after, &told[done..*next], *fate);
            let opened = Catalogue::on(Recorder::of(after)).unwrap();
            let found = All::of(&opened.reader().snapshot().unwrap()).unwrap();
            let is_right = states[answered..].iter().take(2).any(|(_, state)| *state == found);
            assert!(is_right, "sync at {at}, {fate:?}: not what was committed");
            cuts += 1;
        }
    }
    assert!(syncs.len() > states.len() && cuts > 60, "{} syncs, {cuts} cuts", syncs.len());
    println!("{} syncs, {cuts} cuts", syncs.len());
}

#[test]
fn every_commit_is_in_two_phases() {
    let store = Recorder::default();
    let states = workload(&store);
    let told = store.0.lock().unwrap().1.clone();
    for pair in states.windows(2) {
        let syncs = told[pair[0].0..pair[1].0].iter().filter(|t| matches!(t, Told::Sync)).count();
        assert!(syncs >= 2, "{syncs} syncs in a commit");
    }
}
