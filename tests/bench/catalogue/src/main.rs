//! The catalogue against SQLite: how fast lists go in, how large they lie, how fast questions are answered.
//!
//! Owns the data, the clock and the questions to the catalogue; [`sqlite`] has those to SQLite.

mod data;
mod sqlite;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tapioca::catalogue::find::{Wanted, directory, search, versions};
use tapioca::catalogue::plan::plan;
use tapioca::catalogue::record::{Change, Job, JobId, JobState, Kept, Level, Record, Work};
use tapioca::catalogue::run::RunWriter;
use tapioca::catalogue::{Catalogue, Commit, Snapshot};
use tapioca::stream::StreamId;

use data::Tree;

/// Wall and CPU, seconds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Took {
    pub wall: f64,
    pub cpu: f64,
}

fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

pub fn timed<T>(call: impl FnOnce() -> T) -> (T, Took) {
    let (wall, before) = (Instant::now(), cpu());
    let value = call();
    (value, Took { wall: wall.elapsed().as_secs_f64(), cpu: cpu() - before })
}

/// Asks with each question; the first round warms.
pub fn asked<Q>(what: &str, questions: &[Q], mut ask: impl FnMut(&Q) -> usize) {
    questions.iter().for_each(|question| _ = ask(question));
    let mut answers = 0;
    let mut took: Vec<Took> = Vec::new();
    for question in questions {
        let (count, time) = timed(|| ask(question));
        answers += count;
        took.push(time);
    }
    took.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let median = took[took.len() / 2];
    println!(
        "  {what:<44} {:>9.3} ms  cpu {:>9.3} ms  worst {:>9.3} ms  {:>8.1} answers",
        median.wall * 1e3,
        median.cpu * 1e3,
        took[took.len() - 1].wall * 1e3,
        answers as f64 / questions.len() as f64
    );
}

pub fn rate(what: &str, rows: u64, took: Took) {
    println!(
        "  {what:<44} {:>9.0} files/s  {:>6.2} us of cpu a file  {:>7.1} s",
        rows as f64 / took.wall,
        took.cpu * 1e6 / rows as f64,
        took.wall
    );
}

pub fn size(what: &str, bytes: u64, rows: u64, digests: u64) {
    println!(
        "  {what:<44} {:>9.1} bytes a file, {:.1} beside its digest",
        bytes as f64 / rows as f64,
        (bytes as f64 - 32.0 * digests as f64) / rows as f64
    );
}

struct Options {
    files: usize,
    jobs: u64,
    names: PathBuf,
    dir: PathBuf,
}

fn options() -> Options {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given: BTreeMap<&str, &str> =
        words.chunks(2).filter(|p| p.len() == 2).map(|p| (p[0].as_str(), p[1].as_str())).collect();
    let number = |name, usual: u64| given.get(name).map_or(usual, |n| n.parse().expect("a number"));
    Options {
        files: number("--files", 100_000) as usize,
        jobs: number("--jobs", 100),
        names: given.get("--names").unwrap_or(&"/usr").into(),
        dir: given.get("--dir").map_or_else(std::env::temp_dir, PathBuf::from),
    }
}

/// Questions, the same for both.
pub struct Questions {
    pub directories: Vec<(u64, String)>,
    pub paths: Vec<String>,
    pub texts: Vec<String>,
    /// Jobs of one machine, and a directory.
    pub restores: Vec<(Vec<u64>, String)>,
}

fn questions(tree: &Tree, jobs: u64) -> Questions {
    let pick = |n: usize| &tree.files[(n * 7919 + 13) % tree.files.len()];
    let parent = |path: &str| path.rsplit_once('/').map_or("", |(p, _)| p).to_owned();
    let machine = |n: u64| (1..=jobs).filter(|job| job % (jobs / 10).max(1) == n).collect();
    Questions {
        directories: (0..40).map(|n| (n as u64 % jobs + 1, parent(&pick(n).path))).collect(),
        paths: (0..40).map(|n| pick(n).path.clone()).collect(),
        texts: ["zoneinfo/Europe/Vie", "libssl", "x86_64-linux-gnu/perl", "README", "qwertyuiop"]
            .map(str::to_owned)
            .into(),
        restores: (0..10).map(|n| (machine(n % 10), parent(&pick(n as usize * 3).path))).collect(),
    }
}

fn job(id: u64, bytes: u64) -> Job {
    Job {
        id: JobId(id),
        work: Work::Backup {
            name: "all".into(),
            level: Level::Full,
            pool: "p".into(),
            stream: StreamId(uuid::Uuid::from_u128(u128::from(id))),
        },
        machine: "m".into(),
        user: "u".into(),
        priority: 0,
        state: JobState::Done,
        created_s: 0,
        started_s: None,
        ended_s: None,
        attempts: 1,
        recorded: bytes,
        kept: vec![Kept {
            copy: 0,
            from: 0,
            to: bytes,
            medium: "T".into(),
            volume: None,
            block: 1,
            stride: 262_048,
        }],
        entries: 0,
        expires_s: None,
        verified_s: BTreeMap::new(),
    }
}

fn fill(tree: &Tree, path: &Path, jobs: u64) {
    let mut catalogue = Catalogue::create(path).expect("a new file");
    let (mut took, mut rows, mut digests, mut run_bytes) = (Took { wall: 0.0, cpu: 0.0 }, 0, 0, 0);
    let folder = path.parent().expect("a folder").to_owned();
    for id in 1..=jobs {
        let (lines, end) = tree.lines(id);
        digests += lines.iter().filter(|line| data::has_digest(line)).count() as u64;
        rows += lines.len() as u64;
        let ((), one) = timed(|| {
            let mut run = RunWriter::new(JobId(id), &folder).expect("a run");
            lines.into_iter().for_each(|line| run.line(line).expect("it is taken"));
            let run = run.finish().expect("a run");
            run_bytes += run.head.bytes;
            let changes = vec![Change::Put(Box::new(Record::Job(job(id, end))))];
            let commit = Commit { changes, runs: vec![run], ..Commit::default() };
            catalogue.commit(commit).expect("it is durable");
        });
        took = Took { wall: took.wall + one.wall, cpu: took.cpu + one.cpu };
    }
    rate("insert, durable job by job", rows, took);
    size("runs", run_bytes, rows, digests);
    drop(catalogue);
    size("file at rest, blocks of the disk", on_disk(path), rows, digests);
    text_in(tree, &folder);
}

/// Bytes that a file takes; where nothing was written it takes none.
pub fn on_disk(path: &Path) -> u64 {
    std::fs::metadata(path).expect("it is there").blocks() * 512
}

/// Lines as they come in marks.
fn text_in(tree: &Tree, folder: &Path) {
    let (lines, _) = tree.lines(1);
    let mut text = Vec::new();
    lines.iter().for_each(|line| line.write(&mut text));
    let (run, took) = timed(|| {
        let mut run = RunWriter::new(JobId(1), folder).expect("a run");
        run.lines(&text).expect("they are lines");
        run.finish().expect("a run")
    });
    rate("a run from the text of its lines", run.head.rows, took);
}

fn ask(snapshot: &Snapshot, questions: &Questions) {
    let jobs = snapshot.jobs_with_runs().expect("jobs");
    asked("list a directory of a job", &questions.directories, |(job, path)| {
        directory(snapshot, JobId(*job), path.as_bytes(), None, 1000).expect("a list").found.len()
    });
    asked("find one path over all jobs", &questions.paths, |path| {
        versions(snapshot, &jobs, path.as_bytes()).expect("versions").len()
    });
    for text in &questions.texts {
        asked(&format!("find *{text}*, 1000 at most"), std::slice::from_ref(text), |text| {
            let wanted = Wanted::Text(text.clone().into());
            search(snapshot, &jobs, &wanted, 1000).expect("hits").found.len()
        });
    }
    let pattern = Wanted::Pattern(b"**/ssh*_config".to_vec());
    asked("find the pattern **/ssh*_config, all", &[pattern], |wanted| {
        search(snapshot, &jobs, wanted, usize::MAX - 1).expect("hits").found.len()
    });
    asked("plan the restore of a directory, 10 jobs", &questions.restores, |(jobs, path)| {
        planned(snapshot, jobs, &[path.clone().into_bytes()])
    });
    asked("plan the restore of all, 10 jobs", &questions.restores[..1], |(jobs, _)| {
        planned(snapshot, jobs, &[])
    });
}

fn planned(snapshot: &Snapshot, jobs: &[u64], patterns: &[Vec<u8>]) -> usize {
    let jobs: Vec<JobId> = jobs.iter().copied().map(JobId).collect();
    plan(snapshot, &jobs, patterns, &mut |_, _| Ok(())).expect("a plan").entries as usize
}

fn main() {
    let Options { files, jobs, names, dir } = options();
    let dir = dir.join(format!("catalogue-bench-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a folder");
    let tree = Tree::below(&names, files);
    println!("{jobs} jobs of {} entries from {}", tree.files.len(), names.display());
    let questions = questions(&tree, jobs);
    println!("catalogue");
    let path = dir.join("catalogue");
    fill(&tree, &path, jobs);
    let (catalogue, took) = timed(|| Catalogue::open(&path).expect("it opens"));
    println!("  {:<44} {:>9.0} ms", "open, every page checked", took.wall * 1e3);
    ask(&catalogue.reader().snapshot().expect("a snapshot"), &questions);
    println!("SQLite");
    sqlite::run(&tree, &dir.join("sqlite"), jobs, &questions);
    std::fs::remove_dir_all(&dir).expect("it is ours");
}
