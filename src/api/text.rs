//! Strings and exact numbers as JSON writes them (RFC 8259 §6, §7).

use super::forms::write_number;
use super::jackpot::Jackpot;
use alloc::string::String;
use alloc::vec::Vec;
use wallet::amount::Money;

/// Appends `text` as a JSON string.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Appends the inside of a JSON string (RFC 8259 §7): quotation mark, reverse solidus and U+0000 to U+001F are
/// escaped.
pub(super) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    // No early end, so that the loop has vector form; nearly every text is plain.
    let escaping = text.bytes().fold(false, |any, byte| any | needs_escape(byte));
    if !escaping {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                let low_digit = b"0123456789abcdef"[usize::from(byte & 0xf)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low_digit]);
            }
            _ => out.push(byte),
        }
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends `money` as its decimal, all digits and no exponent. At most 19 digits and 127 zeros.
pub(super) fn write_money(money: Money, out: &mut Vec<u8>) {
    let (digits, exponent) = money.parts();
    let start = out.len();
    write_number(digits, out);
    let zeros = usize::from(exponent.unsigned_abs());
    if exponent >= 0 {
        out.resize(out.len() + zeros, b'0');
        return;
    }
    // At least one digit stands before the point.
    let missing = (zeros + 1).saturating_sub(out.len() - start);
    out.splice(start..start, core::iter::repeat_n(b'0', missing));
    out.insert(out.len() - zeros, b'.');
}

/// A compact JSON object that is written member by member. It allocates nothing until it has one.
#[derive(Default)]
pub(super) struct Members {
    text: Vec<u8>,
}

impl Members {
    /// Adds a string, where there is one.
    pub(super) fn string(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.name(name);
            write_string(value, &mut self.text);
        }
    }

    /// Adds an exact number, where there is one.
    pub(super) fn money(&mut self, name: &str, value: Option<Money>) {
        if let Some(value) = value {
            self.name(name);
            write_money(value, &mut self.text);
        }
    }

    /// Adds a jackpot's share, where there is one.
    pub(super) fn jackpot(&mut self, name: &str, value: Option<Jackpot>) {
        if let Some(value) = value {
            self.name(name);
            value.write(&mut self.text);
        }
    }

    fn name(&mut self, name: &str) {
        self.text.push(if self.text.is_empty() { b'{' } else { b',' });
        write_string(name, &mut self.text);
        self.text.push(b':');
    }

    /// The object's text; `None` where it has no member.
    pub(super) fn finish(mut self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(b'}');
        Some(String::from_utf8(self.text).expect("made of strings and ASCII"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_money(text: &str, expect: &str) {
        let mut out = b"7".to_vec();
        write_money(Money::parse(text).expect("money"), &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), format!("7{expect}"), "{text}");
    }

    #[test]
    fn money_is_written_exactly() {
        check_money("0", "0");
        check_money("0.00", "0");
        check_money("1", "1");
        check_money("1.50", "1.5");
        check_money("10", "10");
        check_money("1e3", "1000");
        check_money("0.1", "0.1");
        check_money("0.0000000001", "0.0000000001");
        check_money("12.0000000001", "12.0000000001");
        check_money("123456789012345678", "123456789012345678");
        check_money("1234567890123.45678", "1234567890123.45678");
        check_money("1e-127", &format!("0.{}1", "0".repeat(126)));
        check_money("1e127", &format!("1{}", "0".repeat(127)));
    }

    #[test]
    fn members_follow_one_another() {
        assert_eq!(Members::default().finish(), None);
        let mut members = Members::default();
        members.string("A", None);
        members.money("A", None);
        members.string("A", Some("a\"\n"));
        members.money("B", Money::parse("1.0"));
        members.string("C", Some("é"));
        assert_eq!(members.finish().as_deref(), Some(r#"{"A":"a\"\n","B":1,"C":"é"}"#));
    }
}
