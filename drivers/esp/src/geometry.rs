//! The boot sector: where everything is.

use crate::{Error, SECTOR};

/// With fewer clusters a driver takes it for FAT16.
const CLUSTERS_MIN: u32 = 65_525;
const CLUSTERS_MAX: u32 = 1 << 24;
const RESERVED_SECTORS: u32 = 32;
const FATS: u32 = 2;
const FS_INFO: u64 = 1;
const BACKUP: u64 = 6;
/// Where the root directory begins.
pub(crate) const ROOT: u32 = 2;

/// Where everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    cluster_sectors: u32,
    reserved_sectors: u32,
    pub(crate) fats: u32,
    fat_sectors: u32,
    pub(crate) root: u32,
    /// How many clusters there are; their numbers begin with 2.
    pub(crate) clusters: u32,
}

fn half(sector: &[u8], at: usize) -> u32 {
    u16::from_le_bytes([sector[at], sector[at + 1]]).into()
}

fn word(sector: &[u8], at: usize) -> u32 {
    half(sector, at) | half(sector, at + 2) << 16
}

impl Geometry {
    /// What the boot sector of a partition so long says.
    pub(crate) fn read(sector: &[u8; 512], partition_bytes: u64) -> Result<Geometry, Error> {
        let no = |what: &str| Error::Damaged(format!("its first sector {what}"));
        if sector[510..] != [0x55, 0xaa] || half(sector, 11) != SECTOR as u32 {
            return Err(no("is no boot sector"));
        }
        if half(sector, 17) != 0 || half(sector, 19) != 0 || half(sector, 22) != 0 {
            return Err(no("is not of FAT32"));
        }
        let (cluster_sectors, fats) = (u32::from(sector[13]), u32::from(sector[16]));
        let (reserved_sectors, sectors) = (half(sector, 14), word(sector, 32));
        let (fat_sectors, root) = (word(sector, 36), word(sector, 44));
        let sane = cluster_sectors.is_power_of_two()
            && cluster_sectors <= 128
            && (1..=FATS).contains(&fats)
            && reserved_sectors > FS_INFO as u32
            && u64::from(sectors) * SECTOR <= partition_bytes;
        let before = fat_sectors.checked_mul(fats).and_then(|n| n.checked_add(reserved_sectors));
        let data = before.and_then(|before| sectors.checked_sub(before)).filter(|_| sane);
        let clusters = data.ok_or_else(|| no("says what cannot be"))? / cluster_sectors;
        let fits = (CLUSTERS_MIN..=CLUSTERS_MAX).contains(&clusters)
            && u64::from(fat_sectors) * (SECTOR / 4) >= u64::from(clusters) + 2
            && (2..clusters + 2).contains(&root);
        if !fits {
            return Err(no("says what cannot be"));
        }
        Ok(Geometry { cluster_sectors, reserved_sectors, fats, fat_sectors, root, clusters })
    }

    /// For a new file system.
    pub(crate) fn new(partition_bytes: u64) -> Result<Geometry, Error> {
        let wrong = || Error::Refused(format!("{partition_bytes} bytes make no FAT32"));
        let sectors = u32::try_from(partition_bytes / SECTOR).map_err(|_| wrong())?;
        // So small that 64 MiB have as many clusters as there must be.
        let cluster_sectors: u32 = if partition_bytes < 128 << 20 { 1 } else { 2 };
        let data = sectors.checked_sub(RESERVED_SECTORS).ok_or_else(wrong)?;
        let fat_sectors = (data / cluster_sectors + 2).div_ceil(SECTOR as u32 / 4);
        let rest = data.checked_sub(FATS * fat_sectors).ok_or_else(wrong)?;
        let clusters = rest / cluster_sectors;
        if !(CLUSTERS_MIN..=CLUSTERS_MAX).contains(&clusters) {
            return Err(wrong());
        }
        let (reserved_sectors, fats) = (RESERVED_SECTORS, FATS);
        Ok(Geometry { cluster_sectors, reserved_sectors, fats, fat_sectors, root: ROOT, clusters })
    }

    /// The sectors in front of the tables, for a new file system: each with its number.
    pub(crate) fn boot_sectors(&self, partition_bytes: u64, volume: u32) -> Vec<(u64, [u8; 512])> {
        let sectors = u32::try_from(partition_bytes / SECTOR).unwrap_or(u32::MAX);
        let mut boot = [0; 512];
        // A jump to itself: there is nothing to start here.
        boot[..11].copy_from_slice(b"\xeb\xfe\x90MSWIN4.1");
        boot[11..13].copy_from_slice(&(SECTOR as u16).to_le_bytes());
        boot[13] = self.cluster_sectors as u8;
        boot[14..16].copy_from_slice(&(self.reserved_sectors as u16).to_le_bytes());
        boot[16] = self.fats as u8;
        boot[21] = 0xf8;
        boot[24..26].copy_from_slice(&32_u16.to_le_bytes());
        boot[26..28].copy_from_slice(&64_u16.to_le_bytes());
        boot[32..36].copy_from_slice(&sectors.to_le_bytes());
        boot[36..40].copy_from_slice(&self.fat_sectors.to_le_bytes());
        boot[44..48].copy_from_slice(&self.root.to_le_bytes());
        boot[48..50].copy_from_slice(&(FS_INFO as u16).to_le_bytes());
        boot[50..52].copy_from_slice(&(BACKUP as u16).to_le_bytes());
        boot[64] = 0x80;
        boot[66] = 0x29;
        boot[67..71].copy_from_slice(&volume.to_le_bytes());
        boot[71..82].copy_from_slice(crate::change::LABEL);
        boot[82..90].copy_from_slice(b"FAT32   ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        let info = fs_info();
        [0, BACKUP].iter().flat_map(|at| [(*at, boot), (at + FS_INFO, info)]).collect()
    }

    /// Sector of the hints that drivers keep.
    pub(crate) fn fs_info_at(&self) -> u64 {
        FS_INFO * SECTOR
    }

    /// Where sector `n` of a copy of the table is, bytes.
    pub(crate) fn fat_at(&self, copy: u32, n: u32) -> u64 {
        u64::from(self.reserved_sectors + copy * self.fat_sectors + n) * SECTOR
    }

    /// How many sectors of a table have entries of clusters.
    pub(crate) fn fat_sectors_used(&self) -> u32 {
        (self.clusters + 2).div_ceil(SECTOR as u32 / 4)
    }

    /// Where a cluster is, bytes. It must be one that there is.
    pub(crate) fn cluster_at(&self, cluster: u32) -> u64 {
        let first = u64::from(self.reserved_sectors + self.fats * self.fat_sectors);
        (first + u64::from(cluster - 2) * u64::from(self.cluster_sectors)) * SECTOR
    }

    /// Bytes of a cluster.
    pub(crate) fn cluster_bytes(&self) -> usize {
        self.cluster_sectors as usize * SECTOR as usize
    }

    /// Whether there is a cluster of this number.
    pub(crate) fn has(&self, cluster: u32) -> bool {
        (2..self.clusters + 2).contains(&cluster)
    }
}

/// Hints that say that nothing is known.
pub(crate) fn fs_info() -> [u8; 512] {
    let mut info = [0; 512];
    info[..4].copy_from_slice(b"RRaA");
    info[484..488].copy_from_slice(b"rrAa");
    info[488..496].fill(0xff);
    info[510..].copy_from_slice(&[0x55, 0xaa]);
    info
}
