//! Who knows names: the file that the C library reads.
//!
//! Owns its text and that it is whole at any time.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// The file, in the folder of the network's state. `/etc/resolv.conf` leads there.
pub const FILE: &str = "resolv.conf";
/// Servers that the C library asks, at most.
const SERVERS_MAX: usize = 3;

/// The servers that are asked, of all in order.
pub fn chosen(all: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut chosen = Vec::new();
    for server in all {
        if chosen.len() < SERVERS_MAX && !chosen.contains(&server) {
            chosen.push(server);
        }
    }
    chosen
}

/// Writes the file.
///
/// # Errors
///
/// It cannot be written; what was there is there.
pub fn write(folder: &Path, servers: &[IpAddr]) -> io::Result<()> {
    let lines: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    let half = folder.join(format!("{FILE}.new"));
    fs::write(&half, lines)?;
    fs::rename(half, folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_asked_and_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let all = ["10.0.0.1", "10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.3"];
        let servers = chosen(all.map(|text| text.parse().unwrap()));
        write(folder.path(), &servers).unwrap();
        let read = || fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert_eq!(read(), "nameserver 10.0.0.1\nnameserver fd00::1\nnameserver 10.0.0.2\n");
        write(folder.path(), &[]).unwrap();
        assert_eq!(read(), "");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
