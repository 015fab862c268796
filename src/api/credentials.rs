//! Who calls: `Authorization`, compared in a time that tells nothing of the secrets.
//!
//! A secret is kept as a block of fixed size, padded with zeros, beside its length. A comparison goes over
//! whole blocks, all of the platforms' every time, and ends in one equality of `subtle`'s; so its time
//! depends on the configuration, and neither on what was sent nor on which platform it names. What varies
//! with the sender's own text (its length, a broken base64) tells the sender nothing.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::Platform;

const BYTES: usize = limits::CREDENTIALS_BYTES_MAX;
const WORDS: usize = BYTES / size_of::<u64>();

const _: () = assert!(WORDS * size_of::<u64>() == BYTES, "a block is whole words");

/// A secret text of at most [`limits::CREDENTIALS_BYTES_MAX`] bytes.
#[derive(Clone)]
pub(super) struct Secret {
    words: [u64; WORDS],
    /// Told apart from the padding: a text may itself end in zero bytes.
    length: u64,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret with this text; `None` where it is longer than the bound.
    pub(super) fn new(text: &[u8]) -> Option<Self> {
        let mut block = [0; BYTES];
        block.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self::of_block(&block, text.len()))
    }

    /// The secret that stands in the first `length` bytes of `block`; the others are zero.
    fn of_block(block: &[u8; BYTES], length: usize) -> Self {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Self { words, length: length as u64 }
    }

    /// Whether both are the same text.
    fn equals(&self, other: &Self) -> Choice {
        // One accumulator over all the words, without a branch: the loop has vector form, and 64 platforms
        // stay within a microsecond.
        let pairs = self.words.iter().zip(&other.words);
        let differing = pairs.fold(self.length ^ other.length, |bits, (a, b)| bits | (a ^ b));
        differing.ct_eq(&0)
    }

    /// Whether `authorization` is `Bearer` and this token (RFC 6750 §2.1).
    pub(super) fn is_bearer(&self, authorization: Option<&[u8]>) -> bool {
        let presented = authorization.and_then(|field| after_scheme(field, "Bearer")).and_then(Self::new);
        presented.is_some_and(|presented| self.equals(&presented).into())
    }
}

/// The credentials of every platform, in the order of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    known: Vec<Secret>,
    /// Their user names alone.
    users: Vec<Secret>,
}

impl Credentials {
    /// # Panics
    /// Where there are too many platforms, or one whose credentials are too long.
    pub(super) fn new(platforms: &[Platform]) -> Self {
        assert!(platforms.len() <= limits::PLATFORMS_MAX);
        let secret = |text: &str| Secret::new(text.as_bytes()).expect("config's bound");
        let whole = |platform: &Platform| secret(&format!("{}:{}", platform.user, platform.password));
        Self {
            known: platforms.iter().map(whole).collect(),
            users: platforms.iter().map(|platform| secret(&platform.user)).collect(),
        }
    }

    /// The place of the platform that `authorization` names: `Basic` and its `user:password` in base64 (RFC 7617 §2).
    pub(super) fn find(&self, authorization: Option<&[u8]>) -> Option<usize> {
        let (block, length) = presented(authorization)?;
        place_of(&Secret::of_block(&block, length), &self.known)
    }

    /// The place of the platform whose user name `authorization` has, whatever its password is.
    pub(super) fn find_user(&self, authorization: Option<&[u8]>) -> Option<usize> {
        let (block, length) = presented(authorization)?;
        // A user name has no colon, and a password may have (RFC 7617 §2).
        let end = block[..length].iter().position(|byte| *byte == b':')?;
        place_of(&Secret::new(&block[..end])?, &self.users)
    }
}

/// The `user:password` that a `Basic` field has in base64 (RFC 7617 §2), padded with zeros, and its length.
fn presented(authorization: Option<&[u8]>) -> Option<([u8; BYTES], usize)> {
    let encoded = after_scheme(authorization?, "Basic")?;
    let mut block = [0; BYTES];
    let length = STANDARD.decode_slice(encoded, &mut block).ok()?;
    // The decoder works in steps of eight bytes and promises nothing of those past the end.
    block[length..].fill(0);
    Some((block, length))
}

/// The place of `presented` among those that are known. Compares it with each, wherever it is found.
fn place_of(presented: &Secret, known: &[Secret]) -> Option<usize> {
    let nobody = limits::PLATFORMS_MAX as u64;
    let mut found = nobody;
    for (index, known) in (0..).zip(known) {
        found.conditional_assign(&index, known.equals(presented));
    }
    (found != nobody).then_some(found as usize)
}

/// What follows the scheme in an `Authorization` field; the scheme's case is free (RFC 9110 §11.1, §11.4).
fn after_scheme<'a>(field: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, rest) = field.split_at_checked(scheme.len())?;
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    (name.eq_ignore_ascii_case(scheme.as_bytes()) && spaces > 0).then(|| &rest[spaces..])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Manners;
    use super::*;
    use wallet::platform::{Dialect, PlatformKey};

    fn platforms(credentials: &[(&str, &str)]) -> Credentials {
        let platform = |(user, password): &(&str, &str)| Platform {
            key: PlatformKey::new("L100").expect("four characters"),
            user: (*user).into(),
            password: (*password).into(),
            dialect: Dialect::default(),
            manners: Manners::default(),
            budget_ms: 1,
        };
        Credentials::new(&credentials.iter().map(platform).collect::<Vec<_>>())
    }

    #[track_caller]
    fn check(field: &[u8], expect: Option<usize>) {
        let longest = "p".repeat(BYTES - 2);
        let known =
            platforms(&[("admin", "admin"), ("other", "a:b"), ("", ""), ("é", "\0"), ("u", &longest)]);
        assert_eq!(known.find(Some(field)), expect, "{}", field.escape_ascii());
    }

    /// The field that names a platform by its user and password.
    pub(crate) fn basic(user_and_password: impl AsRef<[u8]>) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(user_and_password)).into_bytes()
    }

    #[test]
    fn basic_credentials_name_their_platform() {
        check(b"Basic YWRtaW46YWRtaW4=", Some(0));
        check(&basic("admin:admin"), Some(0));
        check(&basic("other:a:b"), Some(1));
        check(&basic(":"), Some(2));
        check(&basic("é:\0"), Some(3));
        check(&basic(format!("u:{}", "p".repeat(BYTES - 2))), Some(4));
    }

    #[test]
    fn the_schemes_case_is_free_and_spaces_may_follow() {
        check(b"basic YWRtaW46YWRtaW4=", Some(0));
        check(b"BASIC YWRtaW46YWRtaW4=", Some(0));
        check(b"bAsIc    YWRtaW46YWRtaW4=", Some(0));
    }

    #[test]
    fn other_credentials_name_nobody() {
        check(&basic("admin:Admin"), None);
        check(&basic("Admin:admin"), None);
        check(&basic("admin:admi"), None);
        check(&basic("admin:admin "), None);
        check(&basic("admin:admin\0"), None);
        check(&basic("admin"), None);
        check(&basic(""), None);
        check(&basic("é:"), None);
        check(&basic(format!("u:{}", "p".repeat(BYTES - 3))), None);
        check(&basic(format!("u:{}", "p".repeat(BYTES - 1))), None);
        check(&basic("x".repeat(4_000)), None);
        check(&basic([0xff; 20]), None);
    }

    #[test]
    fn malformed_fields_name_nobody() {
        check(b"", None);
        check(b"Basic", None);
        check(b"Basic ", None);
        check(b"BasicYWRtaW46YWRtaW4=", None);
        check(b"Basic\tYWRtaW46YWRtaW4=", None);
        check(b"Bearer YWRtaW46YWRtaW4=", None);
        check(b"Digest YWRtaW46YWRtaW4=", None);
        check(b"YWRtaW46YWRtaW4=", None);
        check(b"Basic YWRtaW46YWRtaW4", None);
        check(b"Basic YWRtaW46YWRtaW4==", None);
        check(b"Basic YWRtaW46YWRtaW5=", None);
        check(b"Basic YWRtaW46YWRtaW4= ", None);
        check(b"Basic YWRtaW4 6YWRtaW4=", None);
        check(b"Basic YWRtaW46YWRtaW4-", None);
        check(b"Basic \xff\xfe", None);
    }

    #[test]
    fn a_user_is_found_without_the_password() {
        let known = platforms(&[("admin", "admin"), ("other", "a:b"), ("é", "c")]);
        for (text, expect) in [
            ("admin:", Some(0)),
            ("admin:x:y", Some(0)),
            ("other:a:b", Some(1)),
            ("é:é", Some(2)),
            ("admin", None),
            ("Admin:admin", None),
            ("admin :x", None),
            ("admi:nadmin", None),
            (":admin", None),
            ("", None),
        ] {
            let found = known.find_user(Some(&basic(text)));
            assert_eq!(found, expect, "{text}");
        }
        assert!(known.find_user(None).is_none());
        assert!(known.find_user(Some(b"Bearer YWRtaW46YWRtaW4=")).is_none());
    }

    #[test]
    fn nobody_is_found_without_a_field_or_a_platform() {
        assert!(platforms(&[("admin", "admin")]).find(None).is_none());
        assert!(platforms(&[]).find(Some(b"Basic YWRtaW46YWRtaW4=")).is_none());
    }

    #[test]
    fn as_many_platforms_as_may_be_are_told_apart() {
        let names: Vec<String> = (0..limits::PLATFORMS_MAX).map(|n| format!("user{n}")).collect();
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "same")).collect();
        let known = platforms(&pairs);
        for (at, name) in names.iter().enumerate() {
            let field = basic(format!("{name}:same"));
            assert_eq!(known.find(Some(&field)), Some(at));
        }
    }

    #[track_caller]
    fn check_bearer(field: Option<&[u8]>, expect: bool) {
        assert_eq!(Secret::new(b"demo").unwrap().is_bearer(field), expect, "{field:?}");
    }

    #[test]
    fn bearer_tokens() {
        check_bearer(Some(b"Bearer demo"), true);
        check_bearer(Some(b"bearer  demo"), true);
        check_bearer(None, false);
        check_bearer(Some(b""), false);
        check_bearer(Some(b"Bearer"), false);
        check_bearer(Some(b"Bearer "), false);
        check_bearer(Some(b"Bearer dem"), false);
        check_bearer(Some(b"Bearer demo\0"), false);
        check_bearer(Some(b"Bearer Demo"), false);
        check_bearer(Some(b"Basic demo"), false);
        // Two words that differ in the same bits.
        let [a, b] = [b'a', b'b'].map(|letter| [letter; 16]);
        assert!(!Secret::new(&a).unwrap().is_bearer(Some(&[b"Bearer ", &b[..]].concat())));
        check_bearer(Some(&[b"Bearer ".as_slice(), &[b'd'; BYTES + 1]].concat()), false);
    }

    #[test]
    fn secrets_are_not_printed() {
        let platform = Platform {
            key: PlatformKey::new("L100").expect("four characters"),
            user: "admin".into(),
            password: "hush".into(),
            dialect: Dialect::default(),
            manners: Manners::default(),
            budget_ms: 1,
        };
        assert!(!format!("{platform:?}").contains("hush"));
        assert_eq!(format!("{:?}", Secret::new(b"hush").unwrap()), "Secret");
    }
}
