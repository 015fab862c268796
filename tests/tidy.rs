//! What no compiler holds: that a bound bounds something, that the map in ARCHITECTURE.md is true, and that what is left to
//! do stands in the tracker.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Marks of unfinished work, in comments.
const WORDS: [&str; 3] = ["TODO", "FIXME", "XXX"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust sources below a folder of the repository, each with its path from there.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push((path.strip_prefix(root()).expect("it is below").display().to_string(), text));
            }
        }
    }
    found
}

/// The words of what ships: without comments, and without the tests at a file's end.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = shipped.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
}

/// A bound that nothing holds is a promise that is not kept.
#[test]
fn every_bound_is_held_somewhere() {
    let sources = sources("src");
    let is_shipped = |path: &str| path != "src/limits/lib.rs" && !path.contains("/tests");
    let shipped = sources.iter().filter(|(path, _)| is_shipped(path));
    let used: BTreeSet<&str> = shipped.flat_map(|(_, text)| words(text)).collect();
    let limits = fs::read_to_string(root().join("src/limits/lib.rs")).expect("the bounds");
    let names = limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':'));
    let names = names.map(|(name, _)| name).filter(|name| !name.starts_with("fn "));
    let (held, loose): (Vec<&str>, Vec<&str>) = names.partition(|name| used.contains(name));
    assert_eq!(loose, [""; 0], "bounds that no shipped code looks at");
    assert!(held.len() > 100, "they were read: {}", held.len());
}

/// Which crate uses which, as its manifest says and ARCHITECTURE.md draws it.
#[test]
fn the_map_is_true() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `src/"));
    let drawn: BTreeSet<(String, BTreeSet<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let uses = cells[1].split(", ").map(|name| name.trim_matches('`').to_owned());
            (cells[0].trim_end_matches('`').to_owned(), uses.filter(|name| name != "–").collect())
        })
        .collect();
    let crates: Vec<PathBuf> =
        root().join("src").read_dir().expect("the crates").map(|entry| entry.expect("one").path()).collect();
    let names: Vec<String> =
        crates.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    let built = crates.iter().zip(&names).map(|(path, name)| {
        let manifest = fs::read_to_string(path.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let uses =
            manifest.get("dependencies").and_then(toml::Value::as_table).into_iter().flat_map(|table| {
                table.keys().filter(|key| names.contains(key)).cloned().collect::<Vec<_>>()
            });
        (name.clone(), uses.collect::<BTreeSet<String>>())
    });
    assert_eq!(built.collect::<BTreeSet<_>>(), drawn);
}

#[test]
fn what_is_left_to_do_stands_in_the_tracker() {
    let everywhere = ["src", "tests", "benches", "tools"].into_iter().flat_map(sources);
    let found = everywhere.filter(|(path, _)| path != "tests/tidy.rs").filter_map(|(path, text)| {
        let comments = text.lines().filter_map(|line| line.split_once("//")).map(|(_, comment)| comment);
        let words: BTreeSet<&str> =
            comments.flat_map(|comment| comment.split(|c: char| !c.is_alphanumeric())).collect();
        let has = |word: &&str| words.contains(word);
        WORDS.iter().find(|word| has(word)).map(|word| format!("{path}: {word}"))
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);
}
