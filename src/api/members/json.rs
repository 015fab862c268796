//! Whether a text is JSON (RFC 8259), decided without recursion and without a value being made of it.
//!
//! It is asked only of a body that has a member which its call does not know, before the parser skips that member. The
//! parser's own skipping recurses once per bracket and takes escapes that are none; of a text that this has read to its
//! end neither matters.

/// Whether `text` is one JSON value, with at most `depth_max` brackets open at a time. Numbers may be of any size.
///
/// # Panics
/// Where `depth_max` is over [`DEPTH_MAX`].
pub(super) fn is_json(text: &str, depth_max: usize) -> bool {
    assert!(depth_max <= DEPTH_MAX, "the open brackets are the bits of an integer");
    Scan { rest: text.as_bytes(), depth_max, depth: 0, objects: 0 }.value().is_some()
}

/// Whether `text` is one JSON number, and nothing else.
pub(crate) fn is_number(text: &str) -> bool {
    let mut scan = Scan { rest: text.as_bytes(), depth_max: 0, depth: 0, objects: 0 };
    scan.next().and_then(|first| scan.number(first)).is_some() && scan.rest.is_empty()
}

/// Brackets that can be told apart.
pub(super) const DEPTH_MAX: usize = u128::BITS as usize;

/// A text that was read up to `rest`. `None` of its functions says that it is not JSON.
struct Scan<'a> {
    rest: &'a [u8],
    depth_max: usize,
    /// Open brackets.
    depth: usize,
    /// Which of them are an object's, the innermost in the lowest bit.
    objects: u128,
}

impl Scan<'_> {
    /// A value, all that is in it, and the end of the text.
    fn value(&mut self) -> Option<()> {
        loop {
            match self.token()? {
                open @ (b'{' | b'[') => {
                    let is_object = open == b'{';
                    self.open(is_object)?;
                    self.space();
                    let close = if is_object { b'}' } else { b']' };
                    if self.rest.first() != Some(&close) {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                    self.rest = &self.rest[1..];
                    self.close();
                }
                b'"' => self.string()?,
                b't' => self.literal(b"rue")?,
                b'f' => self.literal(b"alse")?,
                b'n' => self.literal(b"ull")?,
                first => self.number(first)?,
            }
            if self.end_of_value()? {
                return Some(());
            }
        }
    }

    /// What stands after a value, up to the next one. `true` at the end of the text.
    fn end_of_value(&mut self) -> Option<bool> {
        while self.depth > 0 {
            let in_object = self.objects & 1 == 1;
            match (self.token()?, in_object) {
                (b',', true) => return self.name().map(|()| false),
                (b',', false) => return Some(false),
                (b'}', true) | (b']', false) => self.close(),
                _ => return None,
            }
        }
        self.space();
        self.rest.is_empty().then_some(true)
    }

    fn open(&mut self, is_object: bool) -> Option<()> {
        if self.depth == self.depth_max {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(is_object);
        Some(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Option<()> {
        if self.token()? != b'"' {
            return None;
        }
        self.string()?;
        (self.token()? == b':').then_some(())
    }

    fn space(&mut self) {
        let blanks = self.rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.rest = &self.rest[blanks..];
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// The next byte that is not blank.
    fn token(&mut self) -> Option<u8> {
        self.space();
        self.next()
    }

    fn literal(&mut self, rest: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(rest)?;
        Some(())
    }

    /// The rest of a string, behind its first quotation mark.
    fn string(&mut self) -> Option<()> {
        loop {
            let plain = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
            self.rest = &self.rest[plain..];
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                _ => return None,
            }
        }
    }

    /// The rest of an escape. A surrogate need not be one half of a pair: that is JSON (RFC 8259 §8.2), and no text is made
    /// of it here.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let (digits, rest) = self.rest.split_first_chunk::<4>()?;
                self.rest = rest;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    /// The rest of a number that begins with `first`.
    fn number(&mut self, first: u8) -> Option<()> {
        match if first == b'-' { self.next()? } else { first } {
            b'0' => {}
            b'1'..=b'9' => _ = self.digits(),
            _ => return None,
        }
        if self.rest.first() == Some(&b'.') {
            self.rest = &self.rest[1..];
            (self.digits() > 0).then_some(())?;
        }
        if let Some(b'e' | b'E') = self.rest.first() {
            self.rest = &self.rest[1..];
            if let Some(b'+' | b'-') = self.rest.first() {
                self.rest = &self.rest[1..];
            }
            (self.digits() > 0).then_some(())?;
        }
        Some(())
    }

    /// Goes past digits, and says how many there were.
    fn digits(&mut self) -> usize {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[digits..];
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, depth_max: usize, expect: bool) {
        assert_eq!(is_json(text, depth_max), expect, "{text:?}");
    }

    /// What it takes and what it refuses is in the tables of `api::tests::bodies`; here is what a body can't be.
    #[test]
    fn a_text_is_one_value() {
        for text in ["0", " null ", "\"\"", "[]", "[-1.5E+999999999]", "[[],{}]", "{\"a\":{\"b\":[1,2]}}"] {
            check(text, DEPTH_MAX, true);
            (0..text.trim_end().len()).for_each(|end| check(&text[..end], DEPTH_MAX, false));
        }
        for text in [
            "",
            "0 0",
            "[]]",
            "[}",
            "{]",
            "{\"a\"}",
            "{\"a\":}",
            "{,}",
            "[,]",
            "[1,]",
            "{\"a\":1,}",
            "1e",
            "[1e-]",
        ] {
            check(text, DEPTH_MAX, false);
        }
    }

    #[test]
    fn depth_is_bounded() {
        for (text, depth) in [("0", 0), ("[]", 1), ("[{}]", 2), ("{\"a\":[],\"b\":[[]]}", 3)] {
            check(text, depth, true);
            if depth > 0 {
                check(text, depth - 1, false);
            }
        }
        for depth in [DEPTH_MAX, DEPTH_MAX + 1] {
            let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            check(&lists, DEPTH_MAX, depth == DEPTH_MAX);
        }
    }
}
