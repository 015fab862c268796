//! How sources look: their length, their words, and what must not stand in them.

use crate::source::{Finding, Source, Token, is_word_char, tokens};

/// Lines of a file, past which it wants a reason.
const FILE_LINES_MAX: usize = 500;

/// Lines of a function, from its `fn` to its closing brace, past which it wants a reason.
const FUNCTION_LINES_MAX: usize = 70;

/// What may be longer, and why.
pub(crate) struct Exception {
    /// The file; for a function, with its name after a space.
    pub(crate) of: &'static str,
    pub(crate) reason: &'static str,
}

pub(crate) const LONG_FILES: [Exception; 1] =
    [Exception { of: "src/limits.rs", reason: "every bound, and how they hold together" }];

pub(crate) const LONG_FUNCTIONS: [Exception; 2] = [
    Exception { of: "src/wallet/operation/map.rs map", reason: "one arm for each kind of operation" },
    Exception { of: "src/journal/tests.rs operations", reason: "one value of each kind of operation" },
];

/// Where `unsafe` may stand, each block with its argument.
const UNSAFE: [&str; 3] = ["src/net/ring.rs", "src/net/ring/", "src/net/memory.rs"];

/// Marks of unfinished work, in comments and code.
const WORDS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Macros that no source calls: those that are for the moment, and those that panic when nobody reads them.
const MACROS: [&str; 7] = ["dbg", "todo", "unimplemented", "print", "println", "eprint", "eprintln"];

/// Files that are too long, and exceptions that are not needed.
pub(crate) fn long_files(sources: &[Source], exceptions: &[Exception]) -> Vec<Finding> {
    let mut long = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            let rule = format!("a file past {FILE_LINES_MAX} lines wants a reason, in tests/tidy/shape.rs");
            long.push((source.path.clone(), source.finding(lines, format!("{lines} lines"), rule)));
        }
    }
    excepted(long, exceptions)
}

/// Functions that are too long, and exceptions that are not needed.
pub(crate) fn long_functions(sources: &[Source], exceptions: &[Exception]) -> Vec<Finding> {
    let mut long = Vec::new();
    for source in sources {
        for (name, first, last) in functions(&tokens(&source.code)) {
            let lines = last - first + 1;
            if lines > FUNCTION_LINES_MAX {
                let rule = format!(
                    "a function past {FUNCTION_LINES_MAX} lines wants a reason, in tests/tidy/shape.rs"
                );
                let what = format!("{lines} lines in fn {name}");
                long.push((format!("{} {name}", source.path), source.finding(first, what, rule)));
            }
        }
    }
    excepted(long, exceptions)
}

/// The findings that no exception covers, and the exceptions that cover none.
fn excepted(found: Vec<(String, Finding)>, exceptions: &[Exception]) -> Vec<Finding> {
    let stale = exceptions.iter().filter(|exception| !found.iter().any(|(of, _)| of == exception.of));
    let mut findings: Vec<Finding> = stale
        .map(|exception| Finding {
            path: exception.of.into(),
            line: 1,
            what: format!("an exception ({})", exception.reason),
            rule: "it is not needed any more".into(),
        })
        .collect();
    let covered = |of: &str| exceptions.iter().any(|exception| exception.of == of);
    findings.extend(found.into_iter().filter(|(of, _)| !covered(of)).map(|(_, finding)| finding));
    findings
}

/// The functions that have a body: name, first line, last line.
fn functions<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize, usize)> {
    let mut found = Vec::new();
    for (at, pair) in tokens.windows(2).enumerate() {
        // A type such as `fn(u8)` has no name.
        let [keyword, name] = pair else { continue };
        if keyword.text == "fn" && name.is_word() {
            found.extend(body_end(&tokens[at..]).map(|last| (name.text, keyword.line, last)));
        }
    }
    found
}

/// The line of the brace that closes the body of the function that `tokens` start with.
fn body_end(tokens: &[Token<'_>]) -> Option<usize> {
    let (mut depth, mut in_body) = (0_usize, false);
    for token in tokens {
        match token.text {
            ";" if depth == 0 => return None,
            "{" | "(" | "[" => {
                in_body |= token.text == "{" && depth == 0;
                depth += 1;
            }
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && in_body {
                    return Some(token.line);
                }
            }
            _ => {}
        }
    }
    None
}

/// `unsafe` outside of the socket ring and the look at the allocator.
pub(crate) fn unsafe_elsewhere(source: &Source) -> Vec<Finding> {
    let may = |of: &str| source.path == of || (of.ends_with('/') && source.path.starts_with(of));
    if UNSAFE.into_iter().any(may) {
        return Vec::new();
    }
    let tokens = tokens(&source.code);
    let found = tokens.iter().filter(|token| token.text == "unsafe");
    found
        .map(|token| {
            source.finding(
                token.line,
                "unsafe",
                "it stands in src/net/ring.rs, below it, and in src/net/memory.rs alone",
            )
        })
        .collect()
}

/// Public bounds of `limits` that no other code, tests left out, looks at.
pub(crate) fn unused_bounds(sources: &[Source]) -> Vec<Finding> {
    let Some(limits) = sources.iter().find(|source| source.path == "src/limits.rs") else {
        panic!("src/limits.rs is there");
    };
    let others = sources.iter().filter(|source| source.path != limits.path);
    let used: Vec<&str> = others.flat_map(|source| tokens(&source.shipped)).map(|token| token.text).collect();
    let bounds = tokens(&limits.code);
    let public = bounds.windows(3).filter(|three| three[0].text == "pub" && three[1].text == "const");
    let unused = public.map(|three| three[2]).filter(|name| !used.contains(&name.text));
    unused
        .map(|name| limits.finding(name.line, name.text, "a bound that nothing holds is a promise not kept"))
        .collect()
}

/// Characters and words that do not stand in a source.
pub(crate) fn unclean(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, (text, words)) in (1..).zip(source.text.lines().zip(source.words.lines())) {
        if text.ends_with(char::is_whitespace) {
            findings.push(source.finding(
                number,
                "a space at the end of the line",
                "it shows in every comparison",
            ));
        }
        if text.contains('\t') {
            findings.push(source.finding(
                number,
                "a tab",
                "indentation is four spaces; in a string it is \\t",
            ));
        }
        for word in WORDS {
            if words.split(|char| !is_word_char(char)).any(|found| found == word) {
                findings.push(source.finding(number, word, "what is left to do stands in the tracker"));
            }
        }
    }
    findings
}

/// Macros that a program does not call.
pub(crate) fn unclean_calls(source: &Source) -> Vec<Finding> {
    let tokens = tokens(&source.code);
    let calls = tokens.windows(2).filter(|pair| MACROS.contains(&pair[0].text) && pair[1].text == "!");
    let rule = "for the moment only, or it panics when its reader has gone";
    calls.map(|pair| source.finding(pair[0].line, format!("{}!", pair[0].text), rule)).collect()
}

mod tests {
    use super::*;

    /// Checks that the findings are these, each as `line: what`.
    #[track_caller]
    fn check(found: &[Finding], expect: &[&str]) {
        let found: Vec<String> =
            found.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_long_file_is_found() {
        const EXCEPTION: Exception = Exception { of: "src/x.rs", reason: "a table" };
        let of_lines = |lines: usize| [Source::new("src/x.rs", &"a\n".repeat(lines))];
        check(&long_files(&of_lines(500), &[]), &[]);
        check(&long_files(&of_lines(501), &[]), &["501: 501 lines"]);
        check(&long_files(&of_lines(501), &[EXCEPTION]), &[]);
        check(&long_files(&of_lines(500), &[EXCEPTION]), &["1: an exception (a table)"]);
    }

    #[test]
    fn a_long_function_is_found() {
        const EXCEPTION: Exception = Exception { of: "src/x.rs a", reason: "a ladder" };
        let of_lines = |lines: usize| {
            let body = "    b([{ 1 }]); // {\n".repeat(lines - 2);
            [Source::new(
                "src/x.rs",
                &format!("\nfn a(b: [u8; 3], c: fn(u8)) {{\n{body}}}\nfn d();\nfn e() {{}}\n"),
            )]
        };
        check(&long_functions(&of_lines(70), &[]), &[]);
        check(&long_functions(&of_lines(71), &[]), &["2: 71 lines in fn a"]);
        check(&long_functions(&of_lines(71), &[EXCEPTION]), &[]);
        check(&long_functions(&of_lines(70), &[EXCEPTION]), &["1: an exception (a ladder)"]);
        let nested = format!("fn a() {{\n    fn b() {{\n{}    }}\n}}\n", "        c;\n".repeat(69));
        check(
            &long_functions(&[Source::new("src/x.rs", &nested)], &[]),
            &["1: 73 lines in fn a", "2: 71 lines in fn b"],
        );
    }

    #[test]
    fn unsafe_is_found() {
        let text = "// unsafe\n#![deny(unsafe_code)]\nlet a = \"unsafe\";\nunsafe { b() }";
        check(&unsafe_elsewhere(&Source::new("src/net.rs", text)), &["4: unsafe"]);
        check(&unsafe_elsewhere(&Source::new("src/net/ringer.rs", text)), &["4: unsafe"]);
        check(&unsafe_elsewhere(&Source::new("src/wallet/tests.rs", text)), &["4: unsafe"]);
        check(&unsafe_elsewhere(&Source::new("src/net/ring.rs", text)), &[]);
        check(&unsafe_elsewhere(&Source::new("src/net/ring/buffers.rs", text)), &[]);
        check(&unsafe_elsewhere(&Source::new("src/net/memory.rs", text)), &[]);
        check(&unsafe_elsewhere(&Source::new("src/net/memory.rs.rs", text)), &["4: unsafe"]);
    }

    #[test]
    fn a_bound_that_nothing_holds_is_found() {
        let limits = "const KIB: usize = 1;\n/// A.\npub const A_MAX: usize = 1;\npub const B_MAX: usize = A_MAX;\n\
                      const _: () = assert!(A_MAX <= B_MAX);";
        let check_use = |path: &str, text: &str, expect: &[&str]| {
            let sources = [Source::new("src/limits.rs", limits), Source::new(path, text)];
            check(&unused_bounds(&sources), expect);
        };
        check_use("src/a.rs", "use crate::limits::{A_MAX, B_MAX};", &[]);
        check_use("src/a.rs", "limits::A_MAX", &["4: B_MAX"]);
        check_use("src/a.rs", "// A_MAX\n\"A_MAX\"; A_MAX_MORE; limits::B_MAX", &["3: A_MAX"]);
        check_use("src/a/tests.rs", "limits::A_MAX + limits::B_MAX", &["3: A_MAX", "4: B_MAX"]);
        check_use("src/a.rs", "#[cfg(test)] mod tests { limits::A_MAX }", &["3: A_MAX", "4: B_MAX"]);
    }

    #[test]
    fn unclean_text_is_found() {
        let check_text =
            |text: &str, expect: &[&str]| check(&unclean(&Source::new("src/x.rs", text)), expect);
        check_text("a\n\n    b\n", &[]);
        check_text("a \nb", &["1: a space at the end of the line"]);
        check_text("a\n   \nb", &["2: a space at the end of the line"]);
        check_text("\ta", &["1: a tab"]);
        check_text("// TODO: a\n", &["1: TODO"]);
        check_text("/* a\n FIXME */", &["2: FIXME"]);
        check_text("/// XXX", &["1: XXX"]);
        check_text("// TODOS\nlet a = \"TODO XXX\";", &[]);
    }

    #[test]
    fn an_unclean_call_is_found() {
        let check_text =
            |text: &str, expect: &[&str]| check(&unclean_calls(&Source::new("src/x.rs", text)), expect);
        check_text("a();\ndbg!(b);", &["2: dbg!"]);
        check_text("todo!(); println!(\"a\")", &["1: todo!", "1: println!"]);
        check_text("// println!(1)\nmy_println!(1); writeln!(a)", &[]);
    }
}
