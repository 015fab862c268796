//! Changes of stored bytes, as a script that a fuzzer writes: so the bytes need not be in its corpus, and what it
//! learns is where they are weak.

/// Bytes of one edit: what, where (24 bits), and a value.
const EDIT_BYTES: usize = 6;

/// Sector size, by which disks write.
const SECTOR: usize = 512;

/// What a script did.
#[derive(Debug, Default)]
pub(crate) struct Edited {
    /// Checksums are to be made to fit.
    pub(crate) refit: bool,
    /// The file was cut, or anything in it is not as it was.
    pub(crate) changed: bool,
}

/// Applies `script` to `files`.
pub(crate) fn apply(script: &[u8], files: &mut [Vec<u8>]) -> Edited {
    let before: Vec<Vec<u8>> = files.to_vec();
    let mut edited = Edited::default();
    for edit in script.chunks_exact(EDIT_BYTES).take(64) {
        let [what, which, low, high, value, more] = *edit else { unreachable!("six bytes") };
        let count = files.len();
        let file = &mut files[usize::from(which) % count];
        if file.is_empty() {
            continue;
        }
        let at = (usize::from(high) << 8 | usize::from(low)) % file.len();
        let length = usize::from(more) + 1;
        match what % 10 {
            0 => file[at] ^= value.max(1),
            1 => file[at] = value,
            2 => put(file, at, &u32::from_le_bytes([value, more, value, more]).to_le_bytes()),
            3 => put(file, at, &(i64::from(value as i8)).to_le_bytes()),
            4 => {
                let end = (at + length).min(file.len());
                file[at..end].fill(value);
            }
            // A sector, or from one on.
            5 => {
                let start = at / SECTOR * SECTOR;
                let end = if more & 1 == 0 { (start + SECTOR).min(file.len()) } else { file.len() };
                file[start..end].fill(0);
            }
            6 => {
                let from = at / SECTOR * SECTOR;
                let end = (from + SECTOR * (1 + usize::from(more % 8))).min(file.len());
                let part = file[from..end].to_vec();
                let to = usize::from(value) * SECTOR % file.len() / SECTOR * SECTOR;
                put(file, to, &part);
            }
            7 => file.truncate(at / SECTOR * SECTOR),
            8 => file.truncate(at),
            _ => edited.refit = true,
        }
    }
    edited.changed = files != before;
    edited
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    let end = (at + bytes.len()).min(file.len());
    file[at..end].copy_from_slice(&bytes[..end - at]);
}

/// The number at `at`; 0 past the end.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> usize {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk);
    four.map_or(0, |four| u32::from_le_bytes(*four) as usize)
}

/// Puts the checksum of what follows its 16 bytes before it.
pub(crate) fn seal(bytes: &mut [u8]) -> [u8; 16] {
    let checksum = xxhash_rust::xxh3::xxh3_128(&bytes[16..]).to_le_bytes();
    bytes[..16].copy_from_slice(&checksum);
    checksum
}
