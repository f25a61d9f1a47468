//! The disk: partitions, and the file systems that come with it.
//!
//! Owns the layout (`esp`, raw `meta`, ext4 `data`) and every identifier in it, which are fixed so that
//! the same input gives the same bytes. Partitions are found by their types; those of `meta` and
//! `data` are ours. Nothing is mounted: FAT is written by [`esp`](::esp), GPT by a crate, ext4 by mke2fs on a file.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::disk::{DATA_TYPE, ESP_TYPE, META_TYPE};
use board::machine::Disk;
use esp::Esp;
use gpt::partition::Partition;
use gpt::partition_types::{OperatingSystem, Type};
use uuid::{Uuid, uuid};

use crate::Error;
use crate::host::{output, program};

const DISK_ID: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000000");
const ESP_ID: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000001");
const META_ID: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000002");
const DATA_ID: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000003");
const DATA_UUID: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000004");
const HASH_SEED: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-000000000005");

const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Zeros of this length become a hole.
const HOLE: usize = 64 * 1024;

/// A FAT32 file system with these files.
///
/// # Errors
///
/// They do not fit.
pub fn esp(mib: u64, files: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
    let wrong = |e: esp::Error| Error::broken("esp", e);
    let mut bytes = vec![0; usize::try_from(mib * MIB).map_err(|e| Error::broken("esp", e))?];
    let mut made = Esp::format(&mut bytes[..]).map_err(wrong)?;
    for (path, content) in files {
        let mut from = *content;
        made.put(path, content.len() as u64, &mut from).map_err(wrong)?;
    }
    Ok(bytes)
}

/// Every file of a FAT file system, by path.
///
/// # Errors
///
/// It is none, or damaged.
pub fn esp_files(bytes: &mut [u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let wrong = |e: esp::Error| Error::broken("esp", e);
    let esp = Esp::open(bytes).map_err(wrong)?;
    let mut files = BTreeMap::new();
    for file in esp.files() {
        let mut content = Vec::new();
        esp.copy_to(&file.path, &mut content).map_err(wrong)?;
        files.insert(file.path.clone(), content);
    }
    Ok(files)
}

/// An empty ext4 that can be grown while it is mounted: 64-bit, without a resize inode.
///
/// # Errors
///
/// mke2fs is not there or fails.
pub fn data(mib: u64) -> Result<Vec<u8>, Error> {
    let dir = tempfile::tempdir().map_err(Error::write(Path::new("temporary directory")))?;
    let (path, settings) = (dir.path().join("data"), dir.path().join("settings"));
    crate::host::write(&settings, MKE2FS_SETTINGS.as_bytes())?;
    let extended =
        format!("hash_seed={HASH_SEED},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0");
    let features = "64bit,metadata_csum,meta_bg,^resize_inode";
    let uuid = DATA_UUID.to_string();
    let mut make = program("mke2fs");
    make.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", "tapioca-data"])
        .args(["-O", features, "-U", uuid.as_str(), "-E", extended.as_str()])
        .arg(&path)
        .arg(format!("{mib}m"))
        // The host's own settings must not matter.
        .env("MKE2FS_CONFIG", &settings)
        .env("E2FSPROGS_FAKE_TIME", crate::initramfs::MTIME_S.to_string());
    output(&mut make)?;
    crate::host::read(&path)
}

const MKE2FS_SETTINGS: &str = "[defaults]
base_features = sparse_super,large_file,filetype,dir_index,ext_attr
inode_size = 256
inode_ratio = 16384
[fs_types]
ext4 = {
features = has_journal,extent,huge_file,flex_bg,dir_nlink,extra_isize
}
small = {
}
floppy = {
}
";

/// What goes into the partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The FAT file system.
    pub esp: Vec<u8>,
    /// The raw partition.
    pub meta: Vec<u8>,
    /// The ext4 file system.
    pub data: Vec<u8>,
}

/// One partition of ours, before it has a place.
struct Wanted<'a> {
    name: &'static str,
    kind: Uuid,
    id: Uuid,
    mib: u64,
    content: &'a [u8],
}

/// Writes the disk image, with holes where there are zeros.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, disk: &Disk, content: &Content) -> Result<(), Error> {
    let Disk { esp_mib, meta_mib, data_mib, .. } = *disk;
    let wanted = [
        Wanted { name: "esp", kind: ESP_TYPE, id: ESP_ID, mib: esp_mib, content: &content.esp },
        Wanted {
            name: "tapioca-meta",
            kind: META_TYPE,
            id: META_ID,
            mib: meta_mib,
            content: &content.meta,
        },
        Wanted {
            name: "tapioca-data",
            kind: DATA_TYPE,
            id: DATA_ID,
            mib: data_mib,
            content: &content.data,
        },
    ];
    let failed = Error::write(path);
    let how = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    let mut file = match how {
        Ok(file) => file,
        Err(error) => return Err(failed(error)),
    };
    // A MiB in front and one behind, for the tables.
    let bytes = (wanted.iter().map(|part| part.mib).sum::<u64>() + 2) * MIB;
    file.set_len(bytes).map_err(Error::write(path))?;
    let sectors = u32::try_from(bytes / SECTOR - 1).unwrap_or(u32::MAX);
    let broken = |e: &dyn std::fmt::Display| Error::broken(path.display(), e);
    gpt::mbr::ProtectiveMBR::with_lb_size(sectors)
        .overwrite_lba0(&mut file)
        .map_err(|e| broken(&e))?;
    let mut partitions = BTreeMap::new();
    let mut mib = 1;
    for (number, part) in (1..).zip(&wanted) {
        partitions.insert(number, part.at(mib));
        sparse(&mut file, mib * MIB, part.content).map_err(Error::write(path))?;
        mib += part.mib;
    }
    let table = gpt::GptConfig::new().writable(true).create_from_device(file, Some(DISK_ID));
    let mut table = table.map_err(|e| broken(&e))?;
    table.update_partitions(partitions).map_err(|e| broken(&e))?;
    let file = table.write().map_err(|e| broken(&e))?;
    file.sync_all().map_err(Error::write(path))
}

impl Wanted<'_> {
    fn at(&self, mib: u64) -> Partition {
        Partition {
            part_type_guid: Type { guid: self.kind, os: OperatingSystem::None },
            part_guid: self.id,
            first_lba: mib * MIB / SECTOR,
            last_lba: (mib + self.mib) * MIB / SECTOR - 1,
            flags: 0,
            name: self.name.to_owned(),
        }
    }
}

fn sparse(file: &mut std::fs::File, at: u64, content: &[u8]) -> std::io::Result<()> {
    for (chunk, from) in content.chunks(HOLE).zip((at..).step_by(HOLE)) {
        if chunk.iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(from))?;
            file.write_all(chunk)?;
        }
    }
    Ok(())
}

/// Reads the partitions of a disk image, by their types.
///
/// # Errors
///
/// It has no valid table, or lacks a partition of ours.
pub fn read(path: &Path) -> Result<Content, Error> {
    let broken = |e: &dyn std::fmt::Display| Error::broken(path.display(), e);
    let table = gpt::GptConfig::new().open(path).map_err(|e| broken(&e))?;
    let find = |kind: Uuid| {
        let mut all = table.partitions().values();
        let found = all.find(|part| part.part_type_guid.guid == kind);
        found.map(|part| (part.first_lba, part.last_lba))
    };
    let content = |kind| -> Result<Vec<u8>, Error> {
        let (first, last) =
            find(kind).ok_or_else(|| broken(&format!("has no partition {kind}")))?;
        let length = usize::try_from((last + 1 - first) * SECTOR).map_err(|e| broken(&e))?;
        let mut file = std::fs::File::open(path).map_err(Error::input(path))?;
        let mut bytes = vec![0; length];
        let read =
            file.seek(SeekFrom::Start(first * SECTOR)).and_then(|_| file.read_exact(&mut bytes));
        read.map_err(Error::input(path))?;
        Ok(bytes)
    };
    Ok(Content { esp: content(ESP_TYPE)?, meta: content(META_TYPE)?, data: content(DATA_TYPE)? })
}
