//! The rules of the house that a compiler does not hold.
//!
//! The architecture lives by what is *absent*: no clock in the wallet, no sockets in `http`, no JSON in a
//! shard. An import that breaks it compiles and works, and the wall is gone. So this test reads the sources
//! as text and holds the table of imports in `tidy/table.rs` and the rules in `tidy/shape.rs`. Each row has
//! its reason, and may be changed by who has a better one. The test needs nothing but the standard library,
//! and knows just enough of the language's syntax: comments, strings, paths, braces.
//!
//! Every rule has a made-up source that breaks it, because a rule that catches nothing looks like one that is
//! kept.

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/table.rs"]
mod table;

use imports::World;
use source::{Finding, Source};

#[track_caller]
fn held(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} of them:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn modules_import_what_they_may() {
    let world = World::read();
    held(&Source::all("src").iter().flat_map(|source| world.check(source)).collect::<Vec<_>>());
}

#[test]
fn the_map_of_the_library_is_true() {
    held(&World::read().check_map(&Source::all("src")));
}

#[test]
fn files_and_functions_are_short() {
    let sources = Source::all("src");
    held(&shape::long_files(&sources, &shape::LONG_FILES));
    held(&shape::long_functions(&sources, &shape::LONG_FUNCTIONS));
}

#[test]
fn unsafe_stands_in_net_alone() {
    held(&Source::all("src").iter().flat_map(shape::unsafe_elsewhere).collect::<Vec<_>>());
}

#[test]
fn every_bound_is_held_somewhere() {
    held(&shape::unused_bounds(&Source::all("src")));
}

#[test]
fn the_text_is_clean() {
    let everywhere = ["src", "tests", "benches"].into_iter().flat_map(Source::all);
    held(&everywhere.flat_map(|source| shape::unclean(&source)).collect::<Vec<_>>());
    held(&Source::all("src").iter().flat_map(shape::unclean_calls).collect::<Vec<_>>());
}
