//! The configuration file.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;

use purser::config::{Command, Error, from_args};
use rustix::fs::{MemfdFlags, memfd_create};

/// What the file is made of.
pub const WORDS: [&str; 46] = [
    "[[platform]]\n",
    "[[domain]]\n",
    "[timeouts]\n",
    "[rounds]\n",
    "[storage]\n",
    "[",
    "]",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "=",
    "\n",
    "#",
    ".",
    ",",
    "{",
    "}",
    "true",
    "false",
    "-1",
    "0x7fffffffffffffff",
    "9223372036854775807",
    "1e400",
    "nan",
    "1979-05-27T07:32:00Z",
    "key = \"L100\"\n",
    "user = ",
    "password = ",
    "domains = [\"default\"]\n",
    "name = \"default\"\n",
    "currency = \"GBP\"\n",
    "time_zone = \"Europe/Sofia\"\n",
    "round_scope = \"game\"\n",
    "unknown_rollback = -8\n",
    "strict_rounds = true\n",
    "session_token = \"wrapped\"\n",
    "unauthorized_status = 401\n",
    "remember_refusals_ms = 1000\n",
    "listen = \"127.0.0.1:0\"\n",
    "operator_listen = ",
    "operator_token = \"t\"\n",
    "games = [\"1\"]\n",
    "\\u0000",
    "😀",
    "\u{feff}",
];

thread_local! {
    /// One file of memory per thread, written over and over.
    static FILE: RefCell<File> = RefCell::new(
        memfd_create("purser.toml", MemfdFlags::CLOEXEC).expect("a file in memory").into()
    );
}

/// A file, as `purser serve --config FILE` reads it: a configuration within its bounds, or one sentence on one line.
pub fn run(data: &[u8]) {
    let path = FILE.with_borrow_mut(|file| {
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).expect("a file in memory");
        file.write_all(data).expect("a file in memory");
        format!("/proc/self/fd/{}", file.as_raw_fd())
    });
    match from_args(["purser", "serve", "--config", &path, "--shards", "1"]) {
        Ok(Command::Serve(config)) => {
            let platforms = config.platforms.len();
            assert!((1..=limits::PLATFORMS_MAX).contains(&platforms), "{platforms} platforms");
            assert!(config.demo.is_none() && config.cores.len() == 1);
            // It panics where a bound was not kept.
            drop(api::Api::new(config.platforms, config.operator_token));
            let settings = config.catalog.settings();
            assert!((1..=limits::DOMAINS_MAX).contains(&settings.domains.len()));
        }
        Ok(_) => panic!("another command than the one that was given"),
        Err(Error::Refused(sentence)) => {
            assert!(!sentence.is_empty() && !sentence.contains(char::is_control), "{sentence:?}");
        }
        Err(Error::NoCommand(_)) => panic!("there was a command"),
    }
}
