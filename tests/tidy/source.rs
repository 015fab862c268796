//! A source file as the rules look at it: its text, the same without comments and strings, and its tokens.

use std::fmt;
use std::fs;
use std::path::Path;

/// A rule that is broken, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    /// What was found.
    pub(crate) what: String,
    /// The rule that it breaks, with its reason.
    pub(crate) rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.what, self.rule)
    }
}

/// A source file. What is blanked is replaced by spaces, so that positions and lines stay the same.
pub(crate) struct Source {
    /// Relative to the package: `src/api/decode.rs`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Without its strings.
    pub(crate) words: String,
    /// Without its strings and comments.
    pub(crate) code: String,
    /// Without its strings, comments and tests.
    pub(crate) shipped: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (words, code) = blank(text);
        let shipped = if is_test(path) { String::new() } else { without_tests(&code) };
        Self { path: path.into(), text: text.into(), words, code, shipped }
    }

    /// Every source under a folder of the package, in order.
    pub(crate) fn all(folder: &str) -> Vec<Self> {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut found, mut folders) = (Vec::new(), vec![package.join(folder)]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            {
                let path = entry.expect("a readable folder").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).expect("a readable file");
                    let relative = path.strip_prefix(package).expect("it is under the package");
                    found.push(Self::new(relative.to_str().expect("a name in UTF-8"), &text));
                }
            }
        }
        assert!(!found.is_empty(), "{folder} has no sources");
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The module that the file is, by its path: `["api", "decode"]`; `["main"]`, and for the library's root
    /// `[]`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        if path == "lib" { Vec::new() } else { path.split('/').collect() }
    }

    /// A finding in this file.
    pub(crate) fn finding(&self, line: usize, what: impl Into<String>, rule: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into(), rule: rule.into() }
    }
}

/// Whether the file is a module of tests: `tests.rs`, or anything in a folder `tests` of a module.
fn is_test(path: &str) -> bool {
    path.strip_prefix("src/")
        .is_some_and(|path| path.trim_end_matches(".rs").split('/').any(|part| part == "tests"))
}

/// What a position in a source belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// `text` without its strings, and without its strings and comments.
fn blank(text: &str) -> (String, String) {
    let bytes = text.as_bytes();
    let (mut words, mut code) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = piece(text, at);
        for &byte in &bytes[at..end] {
            let space = if byte == b'\n' { b'\n' } else { b' ' };
            words.push(if kind == Kind::Text { space } else { byte });
            code.push(if kind == Kind::Code { byte } else { space });
        }
        at = end;
    }
    let utf8 = |bytes| String::from_utf8(bytes).expect("whole pieces were blanked");
    (utf8(words), utf8(code))
}

/// The kind of what starts at `at`, and where it ends.
fn piece(text: &str, at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let first = rest.chars().next().expect("not at the end");
    let in_word = text[..at].chars().next_back().is_some_and(is_word_char);
    if rest.starts_with("//") {
        return (Kind::Comment, at + rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, at + block_comment(rest));
    }
    if let (false, Some(bytes)) = (in_word, raw_string(rest)) {
        return (Kind::Text, at + bytes);
    }
    match first {
        '"' => (Kind::Text, at + quoted(rest, b'"')),
        '\'' => match char_literal(rest) {
            Some(bytes) => (Kind::Text, at + bytes),
            None => (Kind::Code, at + 1),
        },
        _ => (Kind::Code, at + first.len_utf8()),
    }
}

/// Bytes of the comment that `rest` starts with; comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// Bytes of the raw string that `rest` starts with, if it does.
fn raw_string(rest: &str) -> Option<usize> {
    let start = ["r", "br", "cr"].into_iter().find(|start| {
        let after = rest.strip_prefix(start).map(|after| after.trim_start_matches('#'));
        after.is_some_and(|after| after.starts_with('"'))
    })?;
    let hashes = rest[start.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let (opening, closing) = (start.len() + hashes + 1, format!("\"{}", "#".repeat(hashes)));
    Some(rest[opening..].find(&closing).map_or(rest.len(), |at| opening + at + closing.len()))
}

/// Bytes of the literal between two `quote`s that `rest` starts with.
fn quoted(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Bytes of the character that `rest` starts with; `None` where the quote belongs to a lifetime.
fn char_literal(rest: &str) -> Option<usize> {
    let mut chars = rest.chars().skip(1);
    match (chars.next()?, chars.next()?) {
        ('\\', _) => Some(quoted(rest, b'\'')),
        (char, '\'') => Some(char.len_utf8() + 2),
        _ => None,
    }
}

pub(crate) fn is_word_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// `code` without what is under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut left = code.to_owned();
    while let Some(start) = left.find(MARK) {
        let end = start + MARK.len() + item_bytes(&left[start + MARK.len()..]);
        let blanked: String =
            left[start..end].chars().map(|char| if char == '\n' { '\n' } else { ' ' }).collect();
        left.replace_range(start..end, &blanked);
    }
    left
}

/// Bytes of the item that `code` starts with: to its semicolon, or to the end of its block.
fn item_bytes(code: &str) -> usize {
    let is_use = tokens(code)
        .iter()
        .find(|token| !["pub", "#"].contains(&token.text))
        .is_some_and(|token| token.text == "use");
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                if byte == b'}' && depth == 0 && !is_use {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// A word, `::`, or one other character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
}

impl Token<'_> {
    /// Whether it can be a part of a path.
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_char)
    }
}

/// The tokens of `code`, which has neither comments nor strings.
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (code, 1);
    while let Some(first) = rest.chars().next() {
        let bytes = if is_word_char(first) {
            rest.find(|char| !is_word_char(char)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            tokens.push(Token { text: &rest[..bytes], line });
        }
        line += usize::from(first == '\n');
        rest = &rest[bytes..];
    }
    tokens
}

#[test]
fn comments_strings_and_tests_are_told_apart() {
    #[track_caller]
    fn check(text: &str, words: &str, code: &str, shipped: &str) {
        let source = Source::new("src/x.rs", text);
        let parts = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = [&source.words, &source.code, &source.shipped].map(|text| parts(text));
        assert_eq!(found, [words, code, shipped], "{text}");
        assert!([&source.words, &source.code, &source.shipped].iter().all(|found| found.len() == text.len()));
    }
    let same = |text: &str, rest: &str| check(text, rest, rest, rest);
    same("a \"b // c\" d", "a d");
    same("a \"b\\\" c\" d", "a d");
    same("a r\"b\\\" d", "a d");
    same("a r#\"b\" c\"# d", "a d");
    same("a br##\"b\"# c\"## d", "a d");
    same("a 'b' '\\'' '\"' b'\"' d", "a b d");
    same("a '\u{e9}' d", "a d");
    same("fn a<'b>(c: &'b str)", "fn a<'b>(c: &'b str)");
    same("r#type var\"x\" d", "r#type var d");
    check("a // \"b\nc", "a // \"b c", "a c", "a c");
    check("a /* b /* c */ \" */ d", "a /* b /* c */ \" */ d", "a d", "a d");
    check("/// \u{e9}\na", "/// \u{e9} a", "a", "a");
    let tested =
        |test: &str| check(&format!("a {test} d"), &format!("a {test} d"), &format!("a {test} d"), "a d");
    tested("#[cfg(test)] mod tests;");
    tested("#[cfg(test)] mod tests { use a::{b}; fn c() { [1; 2]; } }");
    tested("#[cfg(test)] use a::{b, c};");
    tested("#[cfg(test)] #[path] fn b(c: [u8; 3]) { d }");
}

#[test]
fn tests_have_their_place() {
    for (path, expect) in [
        ("src/wallet/tests.rs", true),
        ("src/api/tests/bodies.rs", true),
        ("src/wallet/tokens.rs", false),
        ("src/latests.rs", false),
    ] {
        assert_eq!(Source::new(path, "fn a() {}").shipped.is_empty(), expect, "{path}");
    }
}
