//! Writes each target's corpus, with the seeds that are made and not kept, to `DIR/TARGET/`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let Some(dir) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seeds DIR"));
    };
    for target in &fuzz::TARGETS {
        let folder = dir.join(target.name);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in fuzz::corpus::of(target) {
            fs::write(folder.join(name), bytes)?;
        }
        // libFuzzer's dictionaries: a quoted word a line.
        let quoted = |word: &&str| {
            let bytes = word.bytes().map(|byte| format!("\\x{byte:02X}"));
            format!("\"{}\"\n", bytes.collect::<String>())
        };
        fs::write(
            dir.join(format!("{}.dict", target.name)),
            target.words.iter().map(quoted).collect::<String>(),
        )?;
    }
    Ok(())
}
