//! The same in SQLite: one row a file, the key such that a directory and a path are found at once.

use std::path::Path;

use rusqlite::{Connection, params};
use tapioca::list::Line;

use super::data::{self, Tree};
use super::{Questions, Took, asked, on_disk, rate, size, timed};

const SCHEMA: &str = "
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-262144;
    CREATE TABLE job (id INTEGER PRIMARY KEY);
    CREATE TABLE file (job INTEGER, parent BLOB, name BLOB, kind INTEGER, offset INTEGER, span INTEGER,
        size INTEGER, mtime_s INTEGER, mtime_ns INTEGER, digest BLOB, link BLOB,
        PRIMARY KEY (job, parent, name)) WITHOUT ROWID;";

/// At or below a directory: a range of the key, less what merely begins alike.
const BELOW: &str = "parent>=?1 AND parent<?2 AND (parent=?1 OR substr(parent,1,?3)=?4)";

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn fill(connection: &mut Connection, tree: &Tree, jobs: u64) -> (u64, u64) {
    let (mut took, mut rows, mut digests) = (Took { wall: 0.0, cpu: 0.0 }, 0, 0);
    for job in 1..=jobs {
        let (lines, _) = tree.lines(job);
        digests += lines.iter().filter(|line| data::has_digest(line)).count() as u64;
        let ((), one) = timed(|| {
            let transaction = connection.transaction().expect("a transaction");
            let mut insert = transaction
                .prepare_cached("INSERT INTO file VALUES (?,?,?,?,?,?,?,?,?,?,?)")
                .expect("a statement");
            transaction.execute("INSERT INTO job VALUES (?)", [job]).expect("a job");
            for line in &lines {
                let Line::Entry(entry) = line else { continue };
                let (parent, name) = split(&entry.path);
                let digest = entry.digest.as_ref().map(|digest| &digest[..]);
                insert
                    .execute(params![
                        job,
                        parent,
                        name,
                        entry.kind,
                        entry.offset as i64,
                        entry.span as i64,
                        entry.size as i64,
                        entry.mtime.0,
                        entry.mtime.1,
                        digest,
                        entry.link
                    ])
                    .expect("a row");
                rows += 1;
            }
            drop(insert);
            transaction.commit().expect("it is durable");
        });
        took = Took { wall: took.wall + one.wall, cpu: took.cpu + one.cpu };
    }
    rate("insert, durable job by job", rows, took);
    (rows, digests)
}

fn count(connection: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> usize {
    let mut statement = connection.prepare_cached(sql).expect("a statement");
    let mut rows = statement.query(values).expect("rows");
    let mut count = 0;
    while rows.next().expect("a row").is_some() {
        count += 1;
    }
    count
}

pub fn run(tree: &Tree, path: &Path, jobs: u64, questions: &Questions) {
    let mut connection = Connection::open(path).expect("a file");
    connection.execute_batch(SCHEMA).expect("a schema");
    let (rows, digests) = fill(&mut connection, tree, jobs);
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").expect("a checkpoint");
    size("file at rest, blocks of the disk", on_disk(path), rows, digests);
    let listed = "SELECT * FROM file WHERE job=? AND parent=? LIMIT 1000";
    asked("list a directory of a job", &questions.directories, |(job, path)| {
        count(&connection, listed, &[job, &path.as_bytes()])
    });
    let versions = "SELECT * FROM file WHERE job IN (SELECT id FROM job) AND parent=? AND name=?";
    asked("find one path over all jobs", &questions.paths, |path| {
        let (parent, name) = split(path.as_bytes());
        count(&connection, versions, &[&parent, &name])
    });
    let found = "SELECT * FROM file WHERE CAST(parent || '/' || name AS TEXT) LIKE '%' || ? || '%' LIMIT 1000";
    for text in &questions.texts {
        asked(&format!("find *{text}*, 1000 at most"), std::slice::from_ref(text), |text| {
            count(&connection, found, &[text])
        });
    }
    let glob = "SELECT * FROM file WHERE CAST(name AS TEXT) GLOB ?";
    asked("find the pattern **/ssh*_config, all", &["ssh*_config"], |pattern| {
        count(&connection, glob, &[pattern])
    });
    for (what, all) in [
        ("plan the restore of a directory, 10 jobs", false),
        ("plan the restore of all, 10 jobs", true),
    ] {
        let questions = if all { &questions.restores[..1] } else { &questions.restores[..] };
        asked(what, questions, |(jobs, path)| {
            let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
            let below = if all { "1" } else { BELOW };
            let sql = format!(
                "SELECT parent, name, max(job), offset, span FROM file WHERE job IN ({}) AND {below} GROUP BY parent, name",
                jobs.join(",")
            );
            let (end, inside) = (format!("{path}0"), format!("{path}/"));
            match all {
                true => count(&connection, &sql, &[]),
                false => count(
                    &connection,
                    &sql,
                    &[&path.as_bytes(), &end.as_bytes(), &inside.len(), &inside.as_bytes()],
                ),
            }
        });
    }
}
