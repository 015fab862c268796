//! The functions that the compiler has put into others.
//!
//! With link-time optimisation most of a request's way is inlined into a handful of functions, whose names perf knows
//! from the symbol table. The line tables have the rest: for an address the chain of inlined functions, each with a
//! short name and its source file, from which its path follows.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use addr2line::Loader;
use object::{Object as _, ObjectSegment as _};

use super::script::Frame;

/// Crates of the language: what of them is inlined is counted to the function that calls it.
const LANGUAGE: [&str; 3] = ["core", "alloc", "std"];

/// Programs and libraries with their line tables, and what was asked before.
#[derive(Default)]
pub(crate) struct Symbols {
    files: HashMap<String, Option<File>>,
    asked: HashMap<(String, u64, bool), Vec<String>>,
}

/// A program or library.
struct File {
    loader: Loader,
    /// The crate of sources that belong to no registry.
    local: String,
    /// Bytes of the file that are mapped: first, end, and the address of the first.
    segments: Vec<(u64, u64, u64)>,
}

impl Symbols {
    /// The functions inlined at a frame's address, outermost first; none where the file has no line tables.
    /// `innermost` is whether the frame is the stack's last: others hold the address *after* their call.
    pub(crate) fn inlined(&mut self, frame: &Frame, innermost: bool) -> &[String] {
        let key = (frame.file.clone(), frame.address, innermost);
        let file = self.files.entry(frame.file.clone()).or_insert_with(|| File::open(Path::new(&frame.file)));
        self.asked.entry(key).or_insert_with(|| {
            file.as_ref().and_then(|file| file.inlined(frame, innermost)).unwrap_or_default()
        })
    }
}

impl File {
    /// `None` for what is no file, such as `[vdso]`, or has gone.
    fn open(path: &Path) -> Option<Self> {
        if !path.is_absolute() {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        let file = object::File::parse(bytes.as_slice()).ok()?;
        let segment = |segment: object::Segment<'_, '_>| {
            let (first, bytes) = segment.file_range();
            (first, first.saturating_add(bytes), segment.address())
        };
        let segments = file.segments().map(segment).collect();
        let local = path.file_stem()?.to_string_lossy().replace('-', "_");
        Some(Self { loader: Loader::new(path).ok()?, local, segments })
    }

    fn inlined(&self, frame: &Frame, innermost: bool) -> Option<Vec<String>> {
        let address = self.address(frame)?;
        let mut frames = self.loader.find_frames(if innermost { address } else { address - 1 }).ok()?;
        let mut names = Vec::new();
        while let Ok(Some(found)) = frames.next() {
            let name = found.function.as_ref().and_then(|function| function.demangle().ok());
            let source = found.location.and_then(|location| location.file);
            names.push(path(name.as_deref().unwrap_or("?"), source.unwrap_or_default(), &self.local));
        }
        // The last is the function itself, which perf has named.
        names.pop();
        names.retain(|name| !is_language(name));
        names.reverse();
        Some(names)
    }

    /// The address in the file's own terms. It is one whose symbol begins where perf says that it does.
    fn address(&self, frame: &Frame) -> Option<u64> {
        let mapped = self.segments.iter().find(|(first, end, _)| (*first..*end).contains(&frame.address));
        let mapped = mapped.map(|(first, _, address)| frame.address - first + address);
        let begins = |address: &u64| {
            let symbol = self.loader.find_symbol_info(*address);
            symbol.is_some_and(|symbol| symbol.address().checked_add(frame.offset) == Some(*address))
        };
        [mapped, Some(frame.address)].into_iter().flatten().find(|address| *address > 0 && begins(address))
    }
}

fn is_language(name: &str) -> bool {
    let path = name.trim_start_matches('<');
    LANGUAGE.iter().any(|crate_| path.strip_prefix(crate_).is_some_and(|rest| rest.starts_with("::")))
}

/// The path of a function by its short name and its source file: `turn` in `/home/a/purser/src/server/net.rs` is
/// `purser::net::turn`, and `apply` in `/home/a/purser/src/wallet/lib.rs` is `purser_wallet::apply`. A name that is a path already stays.
pub(crate) fn path(name: &str, source: &str, local: &str) -> String {
    let plain = name.split('<').next().unwrap_or(name);
    if plain.is_empty() || plain.contains("::") {
        return name.to_owned();
    }
    let parts: Vec<&str> = source.split('/').collect();
    let Some(mut root) = parts.iter().rposition(|part| *part == "src") else { return plain.to_owned() };
    let (Some(crate_), true) = (root.checked_sub(1).map(|at| parts[at]), source.ends_with(".rs")) else {
        return plain.to_owned();
    };
    let crate_ = match crate_.rsplit_once('-') {
        _ if root > 1 && parts[root - 2] == "library" => crate_.to_owned(),
        // A crate of a registry lies in a folder with its version.
        Some((name, version)) if version.starts_with(|first: char| first.is_ascii_digit()) => {
            name.replace('-', "_")
        }
        // The server's own lie in folders below its sources.
        _ if parts.len() > root + 2 => {
            root += 1;
            if parts[root] == "server" { local.to_owned() } else { format!("{local}_{}", parts[root]) }
        }
        _ => local.to_owned(),
    };
    let modules = parts[root + 1..].iter().map(|part| part.trim_end_matches(".rs"));
    let modules = modules.filter(|module| !["mod", "lib", "main"].contains(module));
    let whole: Vec<&str> = [crate_.as_str()].into_iter().chain(modules).chain([plain]).collect();
    whole.join("::")
}
