//! Archives that mean harm. Whatever they say and whatever lies in the target already, nothing
//! outside the target changes: not a byte, not a mode, not a link count.

#![allow(clippy::unwrap_used, reason = "in tests it says what failed and where")]

mod common;
#[path = "common/restoring.rs"]
mod restoring;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::hard_tree::{noise, workspace};
use restoring::{Archive, MTIME, Receipts, begin, drafts_in, feed, restore};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tapioca::parts::sink::filesys::{Filesys, Options};
use tapioca::stream::{Block, End, Item, Sink};

/// A target with things around it that must not change.
struct Scene {
    work: tempfile::TempDir,
    before: BTreeMap<PathBuf, [i64; 9]>,
}

impl Scene {
    fn new() -> Scene {
        let work = workspace();
        let outside = work.path().join("outside");
        fs::create_dir_all(outside.join("dir/inner")).unwrap();
        fs::create_dir(outside.join("empty")).unwrap();
        for name in ["secret", "dir/file", "program"] {
            fs::write(outside.join(name), b"canary").unwrap();
        }
        fs::set_permissions(outside.join("program"), fs::Permissions::from_mode(0o4711)).unwrap();
        symlink("secret", outside.join("link")).unwrap();
        fs::create_dir(work.path().join("target")).unwrap();
        let mut scene = Scene { work, before: BTreeMap::new() };
        scene.before = scene.around();
        scene
    }

    fn target(&self) -> PathBuf {
        self.work.path().join("target")
    }

    fn outside(&self) -> Vec<u8> {
        self.work.path().join("outside").into_os_string().into_encoded_bytes()
    }

    /// All there is to know about what is not in the target; the change time alone would tell.
    fn around(&self) -> BTreeMap<PathBuf, [i64; 9]> {
        let mut seen = BTreeMap::new();
        look(self.work.path(), &self.target(), &mut seen);
        seen
    }

    #[track_caller]
    fn assert_unharmed(&self, shape: &str) {
        assert_eq!(self.before, self.around(), "{shape} changed something outside");
        assert_eq!(drafts_in(&self.target()), [""; 0], "{shape} left a draft");
    }
}

fn look(path: &Path, but: &Path, seen: &mut BTreeMap<PathBuf, [i64; 9]>) {
    if path == but {
        return;
    }
    let meta = fs::symlink_metadata(path).unwrap();
    let facts = [
        meta.ino() as i64,
        i64::from(meta.mode()),
        meta.nlink() as i64,
        i64::from(meta.uid()),
        meta.size() as i64,
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ctime(),
        meta.ctime_nsec(),
    ];
    seen.insert(path.to_owned(), facts);
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), but, seen);
        }
    }
}

/// What must come of an archive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// So many left out.
    Left(u64),
    /// Some number left out, maybe none: that is not what the shape is about.
    Any,
    /// The stream is refused as damaged.
    Fault,
}
use Outcome::{Any, Fault, Left};

type Setup = fn(&Path);

struct Shape {
    name: String,
    setup: Setup,
    archive: Vec<u8>,
    outcome: Outcome,
}

fn nothing(_: &Path) {}

/// Shapes, being collected.
#[derive(Default)]
struct Corpus(Vec<Shape>);

impl Corpus {
    fn add(&mut self, name: &str, archive: Archive, outcome: Outcome) {
        self.with(name, nothing, archive, outcome);
    }

    fn with(&mut self, name: &str, setup: Setup, archive: Archive, outcome: Outcome) {
        let archive = archive.end();
        self.0.push(Shape { name: name.into(), setup, archive, outcome });
    }
}

const KINDS: [u8; 6] = *b"012356";

/// A member of any kind at `path`, as harmful as its kind allows.
fn any_kind(archive: Archive, kind: u8, path: &[u8], outside: &[u8]) -> Archive {
    let secret = [outside, b"/secret"].concat();
    match kind {
        b'0' => archive.file(path, b"evil"),
        b'1' => archive.file(b"good", b"good").hard_link(path, b"good"),
        b'2' => archive.symlink(path, &secret),
        b'3' => archive.member(b'3', path, b"", 0o666),
        b'5' => archive.member(b'5', path, b"", 0o7777),
        kind => archive.member(kind, path, b"", 0o666),
    }
}

fn traversals(corpus: &mut Corpus, outside: &[u8]) {
    let absolute = [outside, b"/secret"].concat();
    let climbing = [&b"../".repeat(40)[..], &outside[1..], b"/new"].concat();
    for kind in KINDS {
        for path in [
            &b"../outside/secret"[..],
            b"a/../../outside/new",
            b"./../outside/dir",
            b"..",
            b"a/..",
            b"/../outside/new",
            &climbing,
        ] {
            let name = format!("{} as kind {}", path.escape_ascii(), kind as char);
            corpus.add(&name, any_kind(Archive::default(), kind, path, outside), Left(1));
        }
        // An absolute path is one below the target.
        let name = format!("absolute as kind {}", kind as char);
        let left = u64::from(kind == b'3');
        let archive = any_kind(Archive::default(), kind, &absolute, outside);
        corpus.add(&name, archive, Left(left));
    }
}

fn through_links(corpus: &mut Corpus, outside: &[u8]) {
    let links: [&[u8]; 4] = [b"../outside", outside, b"/", b"chain"];
    for link in links {
        for kind in KINDS {
            for below in [&b"l/secret"[..], b"l/new", b"l/dir/new"] {
                let begin = Archive::default().symlink(b"chain", outside).symlink(b"l", link);
                let archive = any_kind(begin, kind, below, outside);
                let shown = (link.escape_ascii(), below.escape_ascii(), kind as char);
                let name = format!("link to {} then {} as kind {}", shown.0, shown.1, shown.2);
                corpus.add(&name, archive, Left(1));
            }
        }
    }
    for kind in KINDS {
        let setup = |target: &Path| symlink("../outside", target.join("l")).unwrap();
        let archive = any_kind(Archive::default(), kind, b"l/new", outside);
        let name = format!("link in the target, kind {} below it", kind as char);
        corpus.with(&name, setup, archive, Left(1));
        let setup = |target: &Path| symlink("../outside/secret", target.join("l")).unwrap();
        let archive = any_kind(Archive::default(), kind, b"l", outside);
        let name = format!("link in the target, kind {} in its place", kind as char);
        corpus.with(&name, setup, archive, Left(u64::from(kind == b'3')));
        let archive = Archive::default().symlink(b"l", b"../outside/dir");
        let name = format!("link in the archive, kind {} in its place", kind as char);
        let archive = any_kind(archive, kind, b"l", outside);
        corpus.add(&name, archive, Left(u64::from(kind == b'3')));
    }
    let dir_then_link = Archive::default().dir(b"d").symlink(b"d", outside).file(b"d/new", b"x");
    corpus.add("a directory replaced by a link mid-archive", dir_then_link, Left(1));
    let closed = Archive::default().symlink(b"d", outside).member(b'5', b"d", b"", 0);
    corpus.add("the mode of a directory through a link", closed, Left(0));
    let deep = Archive::default().dir(b"a").symlink(b"a/l", b"../../outside").file(b"a/l/x", b"x");
    corpus.add("a link further down", deep, Left(1));
    let loops = Archive::default().symlink(b"x", b"y").symlink(b"y", b"x").file(b"x/f", b"f");
    corpus.add("links in a circle", loops, Left(1));
    let own =
        Archive::default().symlink(b"x", b"x").file(b"x/f", b"f").dir(b"x").file(b"x/f", b"f");
    corpus.add("a link to itself, later a directory", own, Left(1));
    let proc = Archive::default().symlink(b"p", b"/proc/self/cwd").file(b"p/new", b"x");
    corpus.add("a magic link", proc, Left(1));
}

fn hard_links(corpus: &mut Corpus, outside: &[u8]) {
    let secret = [outside, b"/secret"].concat();
    let base = Archive::default;
    for (name, archive, outcome) in [
        ("to ..", base().hard_link(b"h", b"../outside/secret"), Left(1)),
        ("to an absolute path", base().hard_link(b"h", &secret), Left(1)),
        (
            "to an absolute path, then through it",
            base().hard_link(b"h", &secret).file(b"h", b"evil"),
            Left(1),
        ),
        (
            "through a link",
            base().symlink(b"l", outside).hard_link(b"h", b"l/secret").file(b"h", b"evil"),
            Left(1),
        ),
        (
            "to a link that points out, then through it",
            base().symlink(b"l", &secret).hard_link(b"h", b"l").file(b"h", b"evil"),
            Left(0),
        ),
        (
            "to a link to a directory, then below it",
            base().symlink(b"l", outside).hard_link(b"h", b"l").file(b"h/new", b"evil"),
            Left(1),
        ),
        ("to itself, unmade", base().hard_link(b"h", b"h"), Left(1)),
        ("to itself, made", base().file(b"h", b"1").hard_link(b"h", b"h"), Left(0)),
        ("to a twin", base().file(b"a", b"1").hard_link(b"h", b"a").hard_link(b"h", b"a"), Left(0)),
        ("to a directory", base().dir(b"d").hard_link(b"h", b"d"), Left(1)),
        ("to the target", base().hard_link(b"h", b"."), Left(1)),
        ("to nothing", base().hard_link(b"h", b""), Left(1)),
        (
            "in the place of a directory",
            base().file(b"a", b"1").dir(b"d").hard_link(b"d", b"a"),
            Left(1),
        ),
        ("with NUL", base().pax(&[("linkpath", b"a\0b")]).hard_link(b"h", b"x"), Any),
    ] {
        corpus.add(&format!("hard link {name}"), archive, outcome);
    }
    let before = |target: &Path| {
        fs::write(target.join("mine"), b"mine").unwrap();
        fs::set_permissions(target.join("mine"), fs::Permissions::from_mode(0o600)).unwrap();
    };
    let exposing = base().hard_link(b"public", b"mine");
    corpus.with("hard link to a file that was there before", before, exposing, Left(1));
    let before = |target: &Path| {
        let mine = fs::File::create(target.join("mine")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(MTIME as u64);
        mine.set_modified(time).unwrap();
    };
    let guessing = base().hard_link(b"public", b"mine");
    corpus.with("hard link to a file whose time it knows", before, guessing, Left(1));
    let before = |target: &Path| symlink("../outside/secret", target.join("mine")).unwrap();
    let exposing = base().hard_link(b"public", b"mine").file(b"public", b"evil");
    corpus.with("hard link to a link that was there before", before, exposing, Left(1));
}

fn names(corpus: &mut Corpus) {
    let base = Archive::default;
    for kind in *b"0126" {
        for path in [&b""[..], b".", b"./", b"/", b"//", b"././."] {
            let archive = any_kind(base(), kind, path, b"/");
            let name = format!("{:?} as kind {}", path.escape_ascii().to_string(), kind as char);
            // A member without any name is damage; one that names the target is left out.
            corpus.add(&name, archive, if path.is_empty() { Fault } else { Left(1) });
        }
    }
    corpus.add("the target itself", base().member(b'5', b".", b"", 0o7777), Left(0));
    corpus.add("a name of 256 bytes", base().file(&[b'n'; 256], b"x"), Left(1));
    corpus.add("a name of 255 bytes", base().file(&[b'n'; 255], b"x"), Left(0));
    corpus.add("1025 directories deep", base().file(&b"d/".repeat(1025), b"x"), Left(1));
    corpus.add(
        "300 directories of 250 bytes",
        base().dir(&vec!["d".repeat(250); 300].join("/").into_bytes()),
        Left(0),
    );
    corpus.add("a path of 900 KiB", base().file(&b"d/".repeat(450 << 10), b"x"), Left(1));
    corpus.add("NUL in a path", base().pax(&[("path", b"a\0../../x")]).file(b"p", b"x"), Any);
    corpus.add(
        "GNU long name with ..",
        base().gnu_long(b'L', b"../outside/new").file(b"p", b"x"),
        Left(1),
    );
    corpus.add("control bytes", base().file(b"\x1b[2J\n\x07", b"x"), Left(0));
    corpus.add("one of our names", base().file(b"n/.tapioca-0000000000000000/x", b"x"), Any);
    corpus.add("a link without text", base().symlink(b"l", b""), Left(1));
    corpus.add("a link of 5000 bytes", base().symlink(b"l", &[b'x'; 5000]), Left(1));
    corpus.add("a link with NUL", base().pax(&[("linkpath", b"a\0b")]).symlink(b"l", b"x"), Any);
    corpus.add(
        "pax path against ustar path",
        base().pax(&[("path", b"../outside/new")]).file(b"good", b"x"),
        Left(1),
    );
    corpus.add(
        "sparse name with ..",
        base()
            .pax(&[
                ("GNU.sparse.name", b"../outside/new"),
                ("GNU.sparse.realsize", b"1"),
                ("GNU.sparse.map", b"0,1"),
                ("GNU.sparse.numblocks", b"1"),
            ])
            .file(b"good", b"x"),
        Any,
    );
}

fn orders(corpus: &mut Corpus) {
    let base = Archive::default;
    corpus.add("a parent that is a file", base().file(b"p", b"x").file(b"p/below", b"x"), Left(1));
    corpus.add(
        "a parent that is a pipe",
        base().member(b'6', b"p", b"", 0o666).file(b"p/below", b"x"),
        Left(1),
    );
    corpus.add(
        "a pipe in the place of a file, then a file",
        base().member(b'6', b"p", b"", 0o666).file(b"p", b"x"),
        Left(0),
    );
    corpus.add(
        "the same file thrice",
        base().file(b"f", b"1").file(b"f", b"22").file(b"f", b"3"),
        Left(0),
    );
    corpus.add("file, then directory", base().file(b"x", b"1").dir(b"x").file(b"x/y", b"2"), Any);
    corpus.add(
        "directory, then file",
        base().dir(b"x").file(b"x/y", b"2").file(b"x", b"1"),
        Left(1),
    );
    corpus.add(
        "directory, file, link, directory",
        base().dir(b"x").file(b"x", b"1").symlink(b"x", b"..").dir(b"x"),
        Left(2),
    );
    corpus.add(
        "a directory of mode 0 with things below",
        base().member(b'5', b"d", b"", 0).file(b"d/f", b"x"),
        Left(0),
    );
    corpus.add(
        "devices",
        base().member(b'3', b"c", b"", 0o666).member(b'4', b"b", b"", 0o666),
        Left(2),
    );
    corpus.add("an unknown kind", base().member(b'Z', b"z", b"", 0o644), Any);
    corpus.add("set-user-ID for root", base().member(b'0', b"suid", b"", 0o6777), Left(0));
}

fn lies(corpus: &mut Corpus) {
    let base = Archive::default;
    let lying = |size: u64| {
        let mut archive = base();
        archive.raw(b'0', b"liar", b"", size, 0o644);
        archive
    };
    corpus.add("a size beyond the archive", lying(100_000), Fault);
    corpus.add("the largest size", lying(0o77_777_777_777), Fault);
    for size in ["18446744073709551615", "9223372036854775807", "-1", "1e3", ""] {
        let archive = base().pax(&[("size", size.as_bytes())]).file(b"liar", b"x");
        corpus.add(&format!("pax size {size:?}"), archive, Any);
    }
    let mut smuggled = base().pax(&[("size", b"1024")]);
    smuggled.raw(b'0', b"outer", b"", 0, 0o644);
    let smuggled = Archive([smuggled.0, base().file(b"../outside/new", b"evil").0].concat());
    corpus.add("a member hidden in the content of another", smuggled, Left(0));
    for (name, map, size) in [
        ("past its end", "0,10", "5"),
        ("overlapping", "0,1,0,1", "5"),
        ("overflowing", "18446744073709551615,10", "5"),
        ("empty, of 8 EiB", "", "9223372036854775807"),
        ("far out", "9223372036854775806,1", "9223372036854775807"),
    ] {
        let records = [("GNU.sparse.size", size.as_bytes()), ("GNU.sparse.map", map.as_bytes())];
        corpus.add(&format!("a sparse map {name}"), base().pax(&records).file(b"s", b"x"), Any);
    }
    for (name, key, value) in [
        ("uid -2", "uid", &b"4294967295"[..]),
        ("uid beyond 32 bits", "uid", b"99999999999"),
        ("gid beyond 64 bits", "gid", b"99999999999999999999999"),
        ("a time far away", "mtime", b"9223372036854775807.999999999"),
        ("a time long ago", "mtime", b"-9223372036854775808"),
        ("no time", "mtime", b"yesterday"),
        ("an attribute without a name", "SCHILY.xattr.", b"x"),
        ("an attribute of no kind", "SCHILY.xattr.nonsense", b"x"),
        ("an attribute of the system", "SCHILY.xattr.system.posix_acl_access", b"x"),
        ("capabilities that are none", "SCHILY.xattr.security.capability", b"x"),
        (
            "a long attribute name",
            "SCHILY.xattr.user.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            b"x",
        ),
        ("a large attribute", "SCHILY.xattr.user.x", &[b'x'; 100_000]),
        ("an ACL that is none", "SCHILY.acl.access", b"\0\xff::::"),
        ("a long ACL", "SCHILY.acl.access", &b"user:1:rwx,".repeat(10_000)),
        ("a default ACL on a file", "SCHILY.acl.default", b"user::rwx,group::r-x,other::---"),
        ("an owner with a strange name", "uname", b"../\0\n:x"),
    ] {
        let archive = base().pax(&[(key, value)]).file(b"f", b"x").pax(&[(key, value)]).dir(b"d");
        corpus.add(name, archive, Any);
    }
}

/// What is said to be gone is elsewhere.
fn removals(corpus: &mut Corpus, outside: &[u8]) {
    let absolute = [outside, b"/secret"].concat();
    let (climbing, link) = (&b"d/../../outside/dir"[..], &b"l/secret"[..]);
    for path in [climbing, link, b"../outside/secret", b"l/dir", b"..", b".", &absolute] {
        let mut archive = Archive::default().symlink(b"l", outside).dir(b"d");
        tapioca::pax::encode_gone(path, &mut archive.0);
        corpus.add(&format!("{} is gone", path.escape_ascii()), archive, Any);
    }
}

fn corpus(outside: &[u8]) -> Vec<Shape> {
    let mut corpus = Corpus::default();
    traversals(&mut corpus, outside);
    through_links(&mut corpus, outside);
    hard_links(&mut corpus, outside);
    names(&mut corpus);
    orders(&mut corpus);
    lies(&mut corpus);
    removals(&mut corpus, outside);
    corpus.0
}

fn outcome_of(result: &Result<u64, tapioca::stream::Fault>) -> Outcome {
    match result {
        Ok(left) => Left(*left),
        Err(_) => Fault,
    }
}

#[test]
fn no_archive_reaches_outside_the_target() {
    let scene = Scene::new();
    let shapes = corpus(&scene.outside());
    assert!(shapes.len() >= 60, "{} shapes", shapes.len());
    eprintln!("{} shapes", shapes.len());
    let mut wrong = Vec::new();
    for Shape { name, setup, archive, outcome } in &shapes {
        fs::remove_dir_all(scene.target()).unwrap();
        fs::create_dir(scene.target()).unwrap();
        let scene_before = fs::symlink_metadata(scene.work.path()).unwrap();
        setup(&scene.target());
        let got = outcome_of(&restore(&scene.target(), Options::default(), archive));
        if *outcome != Any && got != *outcome {
            wrong.push(format!("{name}: {got:?}, not {outcome:?}"));
        }
        // Once more, over what the first time made.
        let again = outcome_of(&restore(&scene.target(), Options::default(), archive));
        assert_eq!(got == Fault, again == Fault, "{name}, the second time");
        let devices = Options { devices: true, keep_existing: true, ..Options::default() };
        let third = outcome_of(&restore(&scene.target(), devices, archive));
        assert_eq!(got == Fault, third == Fault, "{name}, the third time");
        let mut scene_now = scene.around();
        // Making the target anew, above, is the test's own doing.
        let own = scene_now.get_mut(scene.work.path()).unwrap();
        assert_eq!(own[8], scene_before.ctime_nsec(), "{name} changed the directory above");
        *own = scene.before[scene.work.path()];
        assert_eq!(scene.before, scene_now, "{name} changed something outside");
        assert_eq!(drafts_in(&scene.target()), one_of_ours(name), "{name} left a draft");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn one_of_ours(shape: &str) -> Vec<String> {
    match shape {
        "one of our names" => vec![".tapioca-0000000000000000".into()],
        _ => Vec::new(),
    }
}

#[test]
fn a_directory_swapped_for_a_link_mid_archive_is_not_followed() {
    let scene = Scene::new();
    let target = scene.target();
    let first = Archive::default().dir(b"d").file(b"d/one", b"1").0;
    let second = Archive::default().file(b"d/two", b"2").file(b"d/secret", b"evil").end();
    for forget_handle in [false, true] {
        let up = &mut Receipts::default();
        let mut sink = Filesys::new(&target, Options::default());
        let mut offset = feed(&mut sink, begin(), &first, 512, up).unwrap();
        if forget_handle {
            let mut others = Archive::default();
            for n in 0..100 {
                others = others.file(format!("other{n}/f").as_bytes(), b"x");
            }
            let block = Block::copy_of(&others.0);
            sink.item(Item::Data { offset, block }, up).unwrap();
            offset += others.0.len() as u64;
        }
        fs::rename(target.join("d"), target.join("away")).unwrap();
        symlink("../outside", target.join("d")).unwrap();
        let block = Block::copy_of(&second);
        sink.item(Item::Data { offset, block }, up).unwrap();
        let bytes = offset + second.len() as u64;
        sink.item(Item::End(End { bytes, skipped: 0 }), up).unwrap();
        // The directory's own attributes could not be set, and without its handle nothing below.
        assert_eq!(sink.finish(), Ok(if forget_handle { 3 } else { 1 }));
        scene.assert_unharmed("a swap");
        assert_eq!(target.join("away/two").exists(), !forget_handle);
        fs::remove_file(target.join("d")).unwrap();
        fs::remove_dir_all(target.join("away")).unwrap();
    }
}

#[test]
fn a_race_with_somebody_who_swaps_directories_is_never_lost() {
    let scene = Scene::new();
    let target = scene.target();
    fs::create_dir_all(target.join("a/b")).unwrap();
    symlink("../outside", target.join("swap")).unwrap();
    let mut archive = Archive::default();
    for n in 0..2000 {
        // Many directories, so that none stays in memory.
        archive = archive.file(format!("a/b{}/new{n}", n % 97).as_bytes(), b"evil");
        archive = archive.file(b"a/secret", b"evil").member(b'5', b"a", b"", 0o700);
    }
    let archive = archive.end();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (target.join("a"), target.join("swap"));
            while !over.load(Ordering::Relaxed) {
                // A name that was just replaced cannot be swapped; the next round does.
                let _ = renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE);
            }
        });
        let result = restore(&target, Options::default(), &archive);
        over.store(true, Ordering::Relaxed);
        assert!(result.is_ok(), "{result:?}");
    });
    scene.assert_unharmed("a race");
}

#[test]
fn damaged_headers_do_no_harm() {
    const ROUNDS: usize = 3000;
    let scene = Scene::new();
    let archive = Archive::default()
        .dir(b"d")
        .file(b"d/file", &[1; 600])
        .symlink(b"out", b"../outside")
        .hard_link(b"d/twin", b"d/file")
        .pax(&[("path", b"d/long"), ("SCHILY.xattr.user.x", b"value"), ("mtime", b"1.5")])
        .file(b"d/long", b"x")
        .member(b'6', b"fifo", b"", 0o644)
        .dir(b"d")
        .end();
    let random = noise(20_261_122, ROUNDS * 16);
    let mut faults = 0;
    for dice in random.chunks_exact(16) {
        let mut archive = archive.clone();
        // One to four bytes of header blocks, often digits and text; checksums are mended.
        for roll in dice.chunks_exact(4).take(1 + usize::from(dice[15] % 4)) {
            let blocks = archive.len() / 512 - 2;
            let block = usize::from(roll[0]) % blocks * 512;
            let at = (usize::from(roll[1]) << 1 | usize::from(roll[2] & 1)) % 346;
            archive[block + at] = match roll[2] >> 6 {
                0 => roll[3],
                1 => b'0' + roll[3] % 10,
                2 => b"./\0l"[usize::from(roll[3] % 4)],
                _ => archive[block + at] ^ (1 << (roll[3] % 8)),
            };
            mend(&mut archive[block..block + 512]);
        }
        fs::remove_dir_all(scene.target()).unwrap();
        faults += usize::from(restore(&scene.target(), Options::default(), &archive).is_err());
        let mut now = scene.around();
        now.insert(scene.work.path().into(), scene.before[scene.work.path()]);
        assert_eq!(scene.before, now, "dice {dice:?}");
        assert_eq!(drafts_in(&scene.target()), [""; 0], "dice {dice:?}");
    }
    assert!((ROUNDS / 20..ROUNDS * 19 / 20).contains(&faults), "{faults} faults of {ROUNDS}");
}

fn mend(block: &mut [u8]) {
    if &block[257..262] == b"ustar" {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
