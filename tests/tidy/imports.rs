//! Which module may import what.
//!
//! The paths in `use` lines and in code are made absolute and looked up in the table of `table.rs`. A module
//! that has no row, and a path that no row allows, are findings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{Finding, Source, Token, tokens};
use crate::table::{ROWS, WORLDLY};

/// What a path can lead to.
pub(crate) struct World {
    /// Modules of the package: `api`, `api::decode`.
    modules: BTreeSet<String>,
    /// Crates that the package depends on, and the standard library's.
    crates: BTreeSet<String>,
}

/// A path that a module imports, absolute: `crate::limits`, `std::io::Write`.
struct Import {
    line: usize,
    path: String,
}

impl World {
    /// The package's modules, by their files, and its dependencies, by its manifest.
    pub(crate) fn read() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let manifest = fs::read_to_string(manifest).expect("a manifest");
        let dependencies = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
        let dependencies = dependencies.take_while(|line| !line.starts_with('[')).filter_map(|line| {
            let (name, _) = line.split_once('=')?;
            (!name.starts_with('#')).then(|| name.trim().replace('-', "_"))
        });
        let mut crates: BTreeSet<String> = dependencies.collect();
        assert!(crates.contains("glommio"), "the dependencies were found");
        crates.extend(["std", "core", "alloc"].map(String::from));
        let modules = Source::all("src").iter().map(|source| source.module().join("::")).collect();
        Self { modules, crates }
    }

    /// What `source` imports and may not.
    pub(crate) fn check(&self, source: &Source) -> Vec<Finding> {
        let module = source.module().join("::");
        let row = ROWS.iter().filter(|row| is_below(&module, row.module)).max_by_key(|row| row.module.len());
        let (may, name, reason) = match row {
            Some(row) => (row.may, row.module, row.reason),
            None if module.is_empty() => (&[][..], "the library's root", "it is a list of modules"),
            None => {
                return vec![source.finding(
                    1,
                    format!("module {module}"),
                    "it needs a row in tests/tidy/table.rs",
                )];
            }
        };
        let own = format!("crate::{name}");
        let broken = self.imports(source).into_iter().filter(|import| {
            !is_below(&import.path, &own) && !may.iter().any(|allowed| is_allowed(&import.path, allowed))
        });
        let mut findings: Vec<Finding> = broken
            .map(|import| {
                let rule = format!("{name} may not import it ({reason})");
                source.finding(import.line, format!("import of {}", import.path), rule)
            })
            .collect();
        findings.extend(inline_modules(source));
        findings
    }

    /// Everything that `source` imports or names by an absolute path, tests left out.
    fn imports(&self, source: &Source) -> Vec<Import> {
        let module = source.module();
        let resolved = paths(&tokens(&source.shipped)).into_iter().filter_map(|(line, path)| {
            self.resolve(&module, &path).map(|path| Import { line, path: path.join("::") })
        });
        resolved.collect()
    }

    /// The absolute form of `path` in `module`; `None` where it starts at a name of the module itself, whose
    /// own import is what counts.
    fn resolve<'a>(&self, module: &[&'a str], path: &[&'a str]) -> Option<Vec<&'a str>> {
        let (&first, rest) = path.split_first()?;
        let mut from = module.to_vec();
        let mut below = path;
        match first {
            "crate" | "purser" => (from, below) = (Vec::new(), rest),
            "self" | "super" => {
                while let Some((&step, rest)) =
                    below.split_first().filter(|(step, _)| matches!(**step, "self" | "super"))
                {
                    if step == "super" {
                        from.pop()?;
                    }
                    below = rest;
                }
            }
            // A module of its own goes before a crate of the same name, such as `core`.
            _ if self.modules.contains(&[module, &[first]].concat().join("::")) => {}
            "core" | "alloc" => return Some([&["std"], rest].concat()),
            _ if self.crates.contains(first) => return Some(path.to_vec()),
            _ => return None,
        }
        Some([&["crate"], &from[..], below].concat())
    }

    /// What the table at the head of `src/lib.rs` leaves out: a module, or an import of one module by
    /// another.
    pub(crate) fn check_map(&self, sources: &[Source]) -> Vec<Finding> {
        let Some(root) = sources.iter().find(|source| source.module().is_empty()) else {
            panic!("src/lib.rs is there");
        };
        let map = map(&root.text);
        let row = |module: &str| map.iter().find(|row| row.modules.contains(&module));
        let top = |path: &str| path.split("::").next().unwrap_or_default().to_owned();

        let modules = self.modules.iter().filter(|module| !module.is_empty() && !module.contains("::"));
        let unnamed = modules.filter(|module| *module != "main" && row(module).is_none());
        let mut findings: Vec<Finding> = unnamed
            .map(|module| {
                root.finding(1, format!("no row for {module}"), "the table of lib.rs names every module")
            })
            .collect();
        for source in sources {
            let module = top(&source.module().join("::"));
            let Some(row) = row(&module) else { continue };
            let imports = self.imports(source).into_iter().filter_map(|import| {
                import.path.strip_prefix("crate::").map(|path| (import.line, top(path)))
            });
            let foreign = imports.filter(|(_, other)| *other != module && !row.may_import(other));
            findings.extend(foreign.map(|(line, other)| {
                let rule = format!("the row of {module} in the table of lib.rs says {}", row.imports);
                source.finding(line, format!("import of {other}"), rule)
            }));
        }
        findings
    }
}

/// A row of the table in `src/lib.rs`.
struct MapRow<'a> {
    modules: Vec<&'a str>,
    imports: &'a str,
}

impl MapRow<'_> {
    fn may_import(&self, module: &str) -> bool {
        self.imports == "all" || self.imports.split(", ").any(|name| name.trim_matches('`') == module)
    }
}

fn map(text: &str) -> Vec<MapRow<'_>> {
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("//! | ")?.strip_suffix(" |")?.split(" | ");
        let (names, _, imports) = (cells.next()?, cells.next()?, cells.next()?);
        let modules = names.split(", ").filter_map(|name| name.strip_prefix("[`")?.strip_suffix("`]"));
        Some(MapRow { modules: modules.collect(), imports })
    });
    rows.collect()
}

/// Whether `path` is `above`, or below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a table's entry allows `path`.
fn is_allowed(path: &str, allowed: &str) -> bool {
    match allowed {
        "*" => true,
        "std" => {
            let path = path.trim_end_matches("::*");
            // `std::collections` as a whole has the worldly maps in it.
            let worldly = |part: &str| is_below(path, part) || is_below(part, path);
            is_below(path, "std") && !WORLDLY.into_iter().any(worldly)
        }
        _ => is_below(path, allowed),
    }
}

/// The paths of `use` and `extern crate`, one by one, and those in code that have more than one part; each
/// with its line.
fn paths<'a>(tokens: &[Token<'a>]) -> Vec<(usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        let next = tokens.get(at + 1).map_or("", |token| token.text);
        let before = at.checked_sub(1).map_or("", |at| tokens[at].text);
        match token.text {
            // `use<'a>` is about lifetimes.
            "use" if next != "<" => at = tree(tokens, at + 1, &[], &mut found),
            "extern" if next == "crate" => {
                found.extend(tokens.get(at + 2).map(|name| (name.line, vec![name.text])));
                at += 3;
            }
            // The `::` of a path that goes on from a type or a macro's parameter starts none.
            _ if token.is_word() && next == "::" && before != "." && !goes_on(tokens, at) => {
                let mut path = vec![token.text];
                at += 1;
                while let [colons, word, ..] = &tokens[at..] {
                    if colons.text != "::" || !word.is_word() {
                        break;
                    }
                    path.push(word.text);
                    at += 2;
                }
                found.push((token.line, path));
            }
            _ => at += 1,
        }
    }
    found
}

/// Whether the word at `at` follows a `::` that something stands before.
fn goes_on(tokens: &[Token<'_>], at: usize) -> bool {
    let text = |back: usize| at.checked_sub(back).map_or("", |at| tokens[at].text);
    let before = text(2);
    text(1) == "::" && (before == ">" || before == ")" || before.starts_with(crate::source::is_word_char))
}

/// Reads a tree of a `use`, whose first token is at `at`; says where it ends.
fn tree<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    prefix: &[&'a str],
    found: &mut Vec<(usize, Vec<&'a str>)>,
) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = tree(tokens, at, &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "as" => at += 2,
            "*" => {
                path.push("*");
                at += 1;
            }
            "self" if !path.is_empty() => at += 1,
            _ if token.is_word() => {
                path.push(token.text);
                at += 1;
            }
            _ => break,
        }
    }
    found.push((line, path));
    at.max(1)
}

/// Modules within a file, which would lead `super` astray here; each has a file instead.
fn inline_modules(source: &Source) -> Vec<Finding> {
    let tokens = tokens(&source.shipped);
    let inline = tokens
        .windows(3)
        .filter(|three| three[0].text == "mod" && three[1].is_word() && three[2].text == "{");
    inline
        .map(|three| {
            source.finding(three[0].line, format!("mod {} {{", three[1].text), "a module has a file")
        })
        .collect()
}

mod tests {
    use super::*;

    /// Checks which imports of `text`, as file `path`, are found, each as `line: path`.
    #[track_caller]
    fn check(path: &str, text: &str, expect: &[&str]) {
        let found: Vec<String> = World::read()
            .check(&Source::new(path, text))
            .into_iter()
            .map(|finding| format!("{}: {}", finding.line, finding.what.trim_start_matches("import of ")))
            .collect();
        assert_eq!(found, expect, "{path}: {text}");
    }

    #[test]
    fn every_form_of_an_import_is_seen() {
        check("src/http/x.rs", "\nuse glommio::spawn_local;", &["2: glommio::spawn_local"]);
        check("src/http/x.rs", "pub(crate) use sonic_rs as json;", &["1: sonic_rs"]);
        check("src/http/x.rs", "use ::libc::c_int;", &["1: libc::c_int"]);
        check("src/http/x.rs", "extern crate libc;", &["1: libc"]);
        check("src/http/x.rs", "fn a() -> libc::c_int {}", &["1: libc::c_int"]);
        check("src/http/x.rs", "fn a() { ::libc::close(1) }", &["1: libc::close"]);
        check("src/http/x.rs", "use crate::{limits, wallet::Wallet};", &["1: crate::wallet::Wallet"]);
        check(
            "src/http/x.rs",
            "use crate::{\n api::{self, Call},\n};",
            &["2: crate::api", "2: crate::api::Call"],
        );
        check("src/http/x.rs", "use super::super::shard::*;", &["1: crate::shard::*"]);
        check("src/http.rs", "use super::api;", &["1: crate::api"]);
        check("src/http.rs", "use self::frame::Framer;", &[]);
        check("src/http.rs", "use self::super::api::Api;", &["1: crate::api::Api"]);
        check("src/http/x.rs", "macro_rules! a { () => { $crate::api::Call } }", &["1: crate::api::Call"]);
        check("src/http/x.rs", "use core::{time, fmt};", &["1: std::time"]);
        check("src/http/x.rs", "let a: Vec<std::fs::File>;", &["1: std::fs::File"]);
        check("src/http/x.rs", "a::<std::fs::File>()", &["1: std::fs::File"]);
    }

    #[test]
    fn what_is_no_import_is_not_seen() {
        check("src/http/x.rs", "// use glommio;\n/* std::fs::read */ \"libc::close\"", &[]);
        check("src/http/x.rs", "#[cfg(test)]\nmod tests { use std::fs; }", &[]);
        check("src/http/tests.rs", "use std::fs;", &[]);
        check("src/http/tests/x.rs", "use std::fs;", &[]);
        check("src/http/x.rs", "Status::Ok; x.libc::<u8>(); <A as B>::libc::c(); status::libc::x()", &[]);
        check("src/http/x.rs", "fn a<'b>() -> impl B + use<'b> {}", &[]);
        check("src/shard.rs", "use self::core::Core; fn a() { core::Core::new() }", &[]);
    }

    /// A row for each wall of the table.
    #[test]
    fn every_wall_stands() {
        check("src/limits.rs", "use std::fmt;", &["1: std::fmt"]);
        check("src/lib.rs", "pub use wallet::Wallet;", &["1: crate::wallet::Wallet"]);

        check("src/wallet/x.rs", "use std::time::Instant;", &["1: std::time::Instant"]);
        check(
            "src/wallet/x.rs",
            "use std::{fs, io, thread};",
            &["1: std::fs", "1: std::io", "1: std::thread"],
        );
        check(
            "src/wallet/x.rs",
            "use std::collections::{BTreeMap, HashMap};",
            &["1: std::collections::HashMap"],
        );
        check("src/wallet/x.rs", "use std::collections::*;", &["1: std::collections::*"]);
        check("src/wallet/x.rs", "use std::collections;", &["1: std::collections"]);
        check("src/wallet/x.rs", "use rand_chacha::ChaCha20Rng;", &["1: rand_chacha::ChaCha20Rng"]);
        check("src/wallet.rs", "use crate::api::Call;", &["1: crate::api::Call"]);
        check("src/wallet.rs", "use crate::http::Status;", &["1: crate::http::Status"]);
        check("src/wallet/x.rs", "use crate::clock::Now;", &["1: crate::clock::Now"]);
        check("src/wallet/x.rs", "use sonic_rs::Value;", &["1: sonic_rs::Value"]);
        check(
            "src/wallet/x.rs",
            "use crate::shard::partition::ShardId;",
            &["1: crate::shard::partition::ShardId"],
        );

        check("src/http/x.rs", "use crate::wallet::Millis;", &["1: crate::wallet::Millis"]);
        check("src/http/x.rs", "use std::time::{Duration, SystemTime};", &["1: std::time::SystemTime"]);
        check("src/http/x.rs", "use std::io::{Read, Write};", &["1: std::io::Read"]);

        check("src/api/x.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/api/x.rs", "use crate::wallet;", &["1: crate::wallet"]);
        check("src/api/x.rs", "use crate::shard::Shard;", &["1: crate::shard::Shard"]);
        check("src/api/x.rs", "use crate::clock::Clock;", &["1: crate::clock::Clock"]);
        check("src/api/x.rs", "glommio::spawn_local(a)", &["1: glommio::spawn_local"]);

        check("src/shard/core.rs", "use super::mesh::Mesh;", &["1: crate::shard::mesh::Mesh"]);
        check("src/shard/core.rs", "use crossbeam_queue::ArrayQueue;", &["1: crossbeam_queue::ArrayQueue"]);
        check("src/shard/core.rs", "use crate::metrics::ShardMetrics;", &["1: crate::metrics::ShardMetrics"]);
        check("src/shard/partition.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/shard.rs", "use crate::http::Status;", &["1: crate::http::Status"]);
        check("src/shard/mesh.rs", "use crate::api::Call;", &["1: crate::api::Call"]);
        check("src/shard/mesh.rs", "use sonic_rs::Value;", &["1: sonic_rs::Value"]);
        check("src/journal/x.rs", "use std::fs::File;", &["1: std::fs::File"]);
        check("src/storage/x.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/recovery.rs", "use crate::storage::FileError;", &["1: crate::storage::FileError"]);

        check("src/net/x.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/net/x.rs", "use io_uring::IoUring;", &["1: io_uring::IoUring"]);
        check("src/net/x.rs", "use std::time::Instant;", &["1: std::time::Instant"]);
        check("src/net/x.rs", "use crate::config::Config;", &["1: crate::config::Config"]);
        check("src/net/ring.rs", "use crate::http::Framer;", &["1: crate::http::Framer"]);
        check("src/net/ring/x.rs", "use crate::shard::Shard;", &["1: crate::shard::Shard"]);
        check(
            "src/net/ring.rs",
            "use super::connection::Connection;",
            &["1: crate::net::connection::Connection"],
        );

        check("src/clock.rs", "use crate::metrics::Registry;", &["1: crate::metrics::Registry"]);
        check("src/clock/start.rs", "use crate::wallet::Millis;", &["1: crate::wallet::Millis"]);
        check("src/calendar.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/wallet/x.rs", "use jiff::Timestamp;", &["1: jiff::Timestamp"]);
        check("src/wallet/x.rs", "use crate::calendar::Zone;", &["1: crate::calendar::Zone"]);
        check("src/metrics.rs", "use crate::api::Call;", &["1: crate::api::Call"]);
        check("src/metrics.rs", "use std::time::Instant;", &["1: std::time::Instant"]);
        check("src/config/x.rs", "use crate::wallet::Wallet;", &["1: crate::wallet::Wallet"]);
        check("src/config.rs", "use crate::net::Driver;", &["1: crate::net::Driver"]);
        check("src/config.rs", "std::process::exit(2)", &["1: std::process::exit"]);
        check("src/doctor/x.rs", "use crate::server::Failure;", &["1: crate::server::Failure"]);
        check("src/main.rs", "use purser::wallet::Wallet;", &["1: crate::wallet::Wallet"]);

        check("src/server.rs", "use glommio::Placement; use std::thread; use crate::wallet::Wallet;", &[]);
        check("src/unheard.rs", "", &["1: module unheard"]);
        check("src/journal/x.rs", "use crate::wallet::operation::Operation;", &[]);
        check("src/journal/x.rs", "use std::fs::File;", &["1: std::fs::File"]);
        check("src/journal.rs", "use crate::clock::Clock;", &["1: crate::clock::Clock"]);
        check("src/storage/x.rs", "use crate::journal::Group; use std::fs::File;", &[]);
        check("src/storage/x.rs", "use glommio::io::DmaFile;", &["1: glommio::io::DmaFile"]);
        check("src/storage/x.rs", "use crate::journal::Journal;", &["1: crate::journal::Journal"]);
        check("src/storage.rs", "use crate::wallet::Sequence;", &["1: crate::wallet::Sequence"]);
        check("src/http/x.rs", "mod y { use super::z; }", &["1: mod y {"]);
    }

    #[test]
    fn a_finding_says_where_what_and_why() {
        let source = Source::new("src/clock.rs", "\n\nuse crate::wallet;");
        assert_eq!(
            World::read().check(&source)[0].to_string(),
            "src/clock.rs:3: import of crate::wallet: clock may not import it (the only reader of time reads nothing else; jiff writes times in words)"
        );
    }

    #[track_caller]
    fn check_map(table: &str, path: &str, text: &str, expect: &[&str]) {
        let world = World {
            modules: ["", "main", "http", "http::frame", "limits"].map(String::from).into(),
            crates: BTreeSet::new(),
        };
        let sources = [Source::new("src/lib.rs", table), Source::new(path, text)];
        let found: Vec<String> = world.check_map(&sources).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, expect, "{table}\n{path}: {text}");
    }

    #[test]
    fn a_map_that_is_not_true_is_found() {
        let whole = "//! | module | is | imports |\n//! |---|---|---|\n//! | [`limits`] | a | nothing |\n\
                     //! | [`http`] | b | `limits` |\n";
        check_map(whole, "src/http/frame.rs", "use crate::limits; use super::Framer;", &[]);
        check_map(whole, "src/limits.rs", "use crate::http::Framer;", &["import of http"]);
        check_map(whole, "src/http/frame.rs", "use crate::api::Call;", &["import of api"]);
        check_map("//! | [`limits`] | a | nothing |", "src/http.rs", "", &["no row for http"]);
        check_map("//! | [`http`], [`limits`] | a | all |", "src/http.rs", "use crate::api::Call;", &[]);
    }
}
