//! What the kernel tells of a server's memory and files while it is attacked.

use std::fs;

use crate::proc;

/// What a server holds at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerHoldings {
    pub(crate) resident_bytes: u64,
    /// Descriptors of the process. Connections have places in the ring's own table and are none of them.
    pub(crate) files: u64,
    /// Memory of all TCP sockets of the machine, on both sides.
    pub(crate) socket_bytes: u64,
}

impl ServerHoldings {
    /// Looks at the process of this id; 0 for what can't be read.
    pub(crate) fn at(pid: u32) -> Self {
        let process = proc::process(pid);
        let process = process.as_ref().ok();
        let kib = process.and_then(|process| process.status().ok()?.vmrss);
        let files = process.and_then(|process| process.fd_count().ok());
        let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        Self {
            resident_bytes: kib.unwrap_or(0) * 1_024,
            files: files.unwrap_or(0) as u64,
            socket_bytes: socket_pages(&sockets).unwrap_or(0) * procfs::page_size(),
        }
    }

    /// The most of each.
    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            files: self.files.max(other.files),
            socket_bytes: self.socket_bytes.max(other.socket_bytes),
        }
    }
}

/// The pages of TCP in `/proc/net/sockstat`, which `procfs` does not read.
fn socket_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP: "))?;
    let mut words = line.split(' ');
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_sockets() {
        let text = "sockets: used 15\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 12\nUDP: inuse 0 mem 7\n";
        assert_eq!(socket_pages(text), Some(12));
        assert_eq!(socket_pages("UDP: inuse 0 mem 7\n"), None);
        assert_eq!(socket_pages("TCP: inuse 0\n"), None);
    }

    #[test]
    fn this_process() {
        let held = ServerHoldings::at(std::process::id());
        assert!(held.resident_bytes > 0 && held.files > 2, "{held:?}");
    }

    #[test]
    fn the_most_of_each() {
        let held =
            |resident_bytes, files, socket_bytes| ServerHoldings { resident_bytes, files, socket_bytes };
        assert_eq!(held(1, 5, 3).most(held(4, 2, 3)), held(4, 5, 3));
    }
}
