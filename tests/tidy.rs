//! What no compiler holds: that a bound bounds something, that the maps in ARCHITECTURE.md are true, that the walls inside crates
//! stand, and that what is left to do stands in the tracker.

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
    let is_shipped = |path: &str| {
        path != "src/limits/lib.rs" && !path.starts_with("src/testkit/") && !path.contains("/tests")
    };
    let shipped = sources.iter().filter(|(path, _)| is_shipped(path));
    let used: BTreeSet<&str> = shipped.flat_map(|(_, text)| words(text)).collect();
    let limits = fs::read_to_string(root().join("src/limits/lib.rs")).expect("the bounds");
    let names = limits.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':'));
    let names = names.map(|(name, _)| name).filter(|name| !name.starts_with("fn "));
    let (held, loose): (Vec<&str>, Vec<&str>) = names.partition(|name| used.contains(name));
    assert_eq!(loose, [""; 0], "bounds that no shipped code looks at");
    assert!(held.len() > 100, "they were read: {}", held.len());
}

/// The rows of a table of ARCHITECTURE.md whose first cell is below `src`, each with its further cells.
fn rows(page: &str, cells: usize) -> Vec<(String, Vec<String>)> {
    let rows = page.lines().filter(|line| line.starts_with("| `src/"));
    let rows = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
    let of_table = rows.filter(|row: &Vec<String>| row.len() == cells);
    of_table.map(|mut row| (row.remove(0), row)).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Which crate uses which and what it is built on, as its manifest and its source say and ARCHITECTURE.md draws it.
#[test]
fn the_map_is_true() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let row = |(path, cells): (String, Vec<String>)| {
        let uses = quoted(&cells[0]).map(str::to_owned).collect::<BTreeSet<_>>();
        (path.trim_matches('`').to_owned(), uses, cells[1].clone())
    };
    let drawn: BTreeSet<_> = rows(&page, 4).into_iter().map(row).collect();
    let crates: Vec<PathBuf> =
        root().join("src").read_dir().expect("the crates").map(|entry| entry.expect("one").path()).collect();
    let names: Vec<String> =
        crates.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    let built = crates.iter().zip(&names).map(|(path, name)| {
        let manifest = fs::read_to_string(path.join("Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("TOML");
        let table = manifest.get("dependencies").and_then(toml::Value::as_table);
        let keys = table.into_iter().flat_map(toml::Table::keys);
        let uses = keys.filter(|key| names.contains(key)).cloned().collect::<BTreeSet<_>>();
        (format!("src/{name}"), uses, built_on(path))
    });
    let built: BTreeSet<_> = built.collect();
    assert!(built.iter().all(|(_, uses, _)| !uses.contains("testkit")), "no crate ships with it");
    assert_eq!(built, drawn);
}

/// What a crate's source says that it is built on.
fn built_on(path: &Path) -> String {
    let text = fs::read_to_string(path.join("lib.rs")).expect("a crate has a lib.rs");
    let has = |line: &str| text.lines().any(|found| found == line);
    let built = match (has("#![cfg_attr(not(test), no_std)]"), has("extern crate alloc;")) {
        (true, true) => "no_std + alloc",
        (true, false) => "no_std",
        (false, _) => "std",
    };
    let unsafe_ = if has("#![forbid(unsafe_code)]") { "" } else { ", unsafe" };
    format!("{built}{unsafe_}")
}

/// The paths that a source imports or names in full, groups in braces taken apart. Tests are left out.
fn paths(text: &str) -> BTreeSet<String> {
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        shipped.lines().filter_map(|line| line.split("//").next()).collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = Vec::new();
    let mut path = String::new();
    for c in code.chars() {
        match c {
            '{' if path.ends_with("::") => open.push(std::mem::take(&mut path)),
            ',' | '}' | ';' | '(' | ')' | '<' | '>' | '&' | ' ' | '=' | '[' | ']' | '{' => {
                if !path.is_empty() {
                    found.insert(open.concat() + &path);
                    path.clear();
                }
                match c {
                    '}' => drop(open.pop()),
                    ';' => open.clear(),
                    _ => {}
                }
            }
            c => path.push(c),
        }
    }
    found
}

/// What of `never` a source imports or names.
fn breaches<'a>(text: &str, never: &[&'a str]) -> Vec<&'a str> {
    let paths = paths(text);
    let is_below = |path: &String, wall: &str| {
        path.strip_prefix(wall).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            && (path.contains("::") || wall.contains("::"))
    };
    never.iter().copied().filter(|wall| paths.iter().any(|path| is_below(path, wall))).collect()
}

#[test]
fn a_breach_is_found() {
    #[track_caller]
    fn check(text: &str, never: &[&str], expect: &[&str]) {
        assert_eq!(breaches(text, never), expect, "{text}");
    }
    check("use std::fs;", &["std::fs", "std::io"], &["std::fs"]);
    check("use std::fs::File;", &["std::fs"], &["std::fs"]);
    check("use std::{fmt, fs::{self, File}};", &["std::fs", "std::io"], &["std::fs"]);
    check("use wallet::{Millis, Wallet};", &["wallet::Wallet"], &["wallet::Wallet"]);
    check("use wallet::{Millis, WalletView};", &["wallet::Wallet"], &[]);
    check("fn a() { let b = clock::now(); }", &["clock"], &["clock"]);
    check("fn a(clock: u8) { clock }", &["clock"], &[]);
    check("// use std::fs;\nfn a() {}", &["std::fs"], &[]);
    check("fn a() {}\n#[cfg(test)]\nmod tests { use std::fs; }", &["std::fs"], &[]);
}

/// Walls inside crates, as ARCHITECTURE.md has them.
#[test]
fn walls_inside_crates_stand() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page");
    let rows = rows(&page, 2);
    assert!(rows.len() >= 8, "the table was read");
    let sources = sources("src");
    let mut found = Vec::new();
    for (modules, cells) in &rows {
        let never: Vec<&str> = quoted(&cells[0]).collect();
        for module in quoted(modules) {
            let (file, folder) = (format!("{module}.rs"), format!("{module}/"));
            let is_of = |path: &str| path == file || path.starts_with(&folder);
            let of_module: Vec<_> = sources.iter().filter(|(path, _)| is_of(path)).collect();
            assert!(!of_module.is_empty(), "{module} is there");
            let shipped = of_module.into_iter().filter(|(path, _)| !path.contains("/tests"));
            found.extend(shipped.flat_map(|(path, text)| {
                breaches(text, &never).into_iter().map(move |wall| format!("{path}: {wall}"))
            }));
        }
    }
    assert_eq!(found, [""; 0]);
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
