//! How many connections the limit of open files has room for.

/// Connections that a shard has room for: the kernel allows its ring's file table no more places than the process may
/// have files.
pub(super) const fn connections(open_files: usize) -> u32 {
    let most = limits::CONNECTIONS_MAX;
    (if open_files < most { open_files } else { most }) as u32
}

/// What whoever starts the server should know of that room, where it is less than it could be.
pub(super) fn note(open_files: usize) -> Option<String> {
    let (places, most) = (connections(open_files), limits::CONNECTIONS_MAX);
    (open_files < most).then(|| {
        format!(
            "each shard has room for {places} connections, and not {most}: that is the hard limit of open files \
             (ulimit -Hn). Give the service LimitNOFILE={most}, or the container --ulimit nofile={most}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_open_files_are_few_connections() {
        #[track_caller]
        fn check(open_files: usize, places: u32, says: Option<&str>) {
            assert_eq!(connections(open_files), places);
            assert_eq!(note(open_files).as_deref().map(|note| note.split_once(':').unwrap().0), says);
        }
        check(usize::MAX, 16_384, None);
        check(16_384, 16_384, None);
        check(16_383, 16_383, Some("each shard has room for 16383 connections, and not 16384"));
        check(64, 64, Some("each shard has room for 64 connections, and not 16384"));
    }
}
