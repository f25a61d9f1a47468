//! The rescue kit: what file 0 carries so that a volume can be read without us.
//!
//! Owns the small tar archive after the label: the format page, and a reader in Python that was
//! written from that page alone.

const FILES: [(&str, &[u8]); 2] = [
    ("FORMAT.md", include_bytes!("../../docs/format.md")),
    ("reader.py", include_bytes!("kit/reader.py")),
];

/// The kit as a POSIX tar archive, every file dated `created_s`.
pub fn archive(created_s: i64) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in FILES {
        tar.extend_from_slice(&header(name, content.len(), created_s));
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A ustar header of a plain file (POSIX.1-2017, pax utility, "ustar Interchange Format").
fn header(name: &str, size: usize, mtime_s: i64) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, &format!("{:011o}\0", mtime_s.max(0)));
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
