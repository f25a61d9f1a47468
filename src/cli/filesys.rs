//! Arguments of `src_filesys`.

use std::ffi::OsString;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::parts::source::filesys::{Excludes, Filesys, NameList, Plan};
use crate::stream::{Begin, Fault, KIND_PAX, StreamId};

#[derive(Args)]
pub(super) struct SrcFilesys {
    /// Start relative paths in DIR
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Also take the names listed in FILE (`-`: standard input), each exactly as given: a directory
    /// without what is in it. With -0 this may be what proc_list or proc_since prints
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// Names in the list are separated by NUL
    #[arg(short = '0', long, requires = "files_from")]
    null: bool,
    /// Leave out what matches: without a slash any last component, with one the whole stored path;
    /// `*` stops at slashes, `**` does not. May be given again
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<OsString>,
    /// Do not enter other file systems (the default)
    #[arg(long, conflicts_with = "cross_mounts")]
    one_file_system: bool,
    /// Enter other file systems too
    #[arg(long)]
    cross_mounts: bool,
    /// Name of the stream; the paths if not given
    #[arg(long)]
    name: Option<String>,
    /// Identity of the stream (default: a new one)
    #[arg(long, value_name = "UUID")]
    stream: Option<uuid::Uuid>,
    /// Record access times
    #[arg(long)]
    atime: bool,
    /// Tell the kernel to forget each file's pages after reading
    #[arg(long)]
    drop_cache: bool,
    /// Trees to take, stored without leading slash
    #[arg(value_name = "PATH", required_unless_present = "files_from")]
    paths: Vec<PathBuf>,
}

impl SrcFilesys {
    pub(super) fn claim(&self) -> Option<String> {
        let names = self.files_from.as_ref().filter(|file| file.as_os_str() == "-");
        names.map(|_| "standard input".to_owned())
    }

    pub(super) fn source(self) -> Result<Filesys, Fault> {
        let list = self.files_from.as_deref().map(|file| open_list(file, self.null)).transpose()?;
        let exclude = excludes_of(&self.exclude);
        let name = self.name.unwrap_or_else(|| paths_as_name(&self.paths, &self.directory));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let begin = Begin {
            stream: StreamId(self.stream.unwrap_or_else(uuid::Uuid::new_v4)),
            name,
            kind: KIND_PAX.into(),
            created_s: i64::try_from(now.as_secs()).unwrap_or(0),
            ..Begin::default()
        };
        let plan = Plan {
            directory: self.directory,
            paths: self.paths,
            exclude,
            cross_mounts: self.cross_mounts,
            atime: self.atime,
            drop_cache: self.drop_cache,
        };
        Ok(Filesys::new(begin, plan, list))
    }
}

pub(super) fn excludes_of(patterns: &[OsString]) -> Excludes {
    let mut exclude = Excludes::default();
    patterns.iter().for_each(|pattern| exclude.add(pattern.as_bytes()));
    exclude
}

fn open_list(file: &Path, by_nul: bool) -> Result<NameList, Fault> {
    if file == Path::new("-") {
        return Ok(NameList::new(Box::new(BufReader::new(std::io::stdin())), by_nul));
    }
    let opened = std::fs::File::open(file)
        .map_err(|e| Fault::host(format_args!("cannot open {}", file.display()), &e))?;
    Ok(NameList::new(Box::new(BufReader::new(opened)), by_nul))
}

fn paths_as_name(paths: &[PathBuf], directory: &Path) -> String {
    if paths.is_empty() {
        return directory.display().to_string();
    }
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shown.join(" ")
}
