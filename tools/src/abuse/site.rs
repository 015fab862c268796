//! A server for attacks: its configuration, its accounts, and calls one at a time.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use testkit::client::Client;

use super::call::{self, ATTACKERS, AccountRange, GAME, OPERATOR_TOKEN, OTHERS, Platform};
use crate::child::Server;

/// The core of attackers and the others. A server of one shard is on core 0.
pub(crate) const CLIENT_CORE: usize = 1;

/// Time for an answer to a call of the tool's own.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What each account has at first, in pounds.
pub(crate) const FUNDS: u64 = 1_000_000;

/// How a server is started.
#[derive(Clone, Debug)]
pub(crate) struct ServerSetup {
    pub(crate) binary: PathBuf,
    /// Below it are the configuration and the data.
    pub(crate) home: PathBuf,
    pub(crate) shards: u16,
    /// Whether the server has a core of its own; else the machine has but one.
    pub(crate) has_cores: bool,
    /// Sections of the configuration.
    pub(crate) sections: String,
}

impl ServerSetup {
    /// Where its data are.
    pub(crate) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Starts the server on its data, which are new or those that an earlier one has left.
    ///
    /// # Errors
    /// A sentence, with what the server said.
    pub(crate) fn start(&self) -> Result<Server, String> {
        let path = self.home.join("purser.toml");
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(&self.home).map_err(failed)?;
        fs::write(&path, self.configuration()).map_err(failed)?;
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"]);
        command.arg("--config").arg(&path).arg("--data").arg(self.data());
        let shards = usize::from(self.shards);
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if !self.has_cores || shards > available {
            command.args(["--shards", &shards.to_string()]);
            return Server::spawn(command);
        }
        // Each shard has a core. Where there are no more, attackers have what is left of the last one's.
        let cores: Vec<String> = (0..shards).map(|core| core.to_string()).collect();
        command.args(["--cores", &cores.join(",")]);
        Server::spawn(command)
    }

    fn configuration(&self) -> String {
        let platform = |Platform { key, user, password }: Platform| {
            format!(
                "[[platform]]\nkey = \"{key}\"\nuser = \"{user}\"\npassword = \"{password}\"\n\
                 domains = [\"default\"]\n\n"
            )
        };
        format!(
            "operator_token = \"{OPERATOR_TOKEN}\"\ngames = [\"{GAME}\"]\n\n{}{}[[domain]]\nname = \"default\"\n\
             currency = \"GBP\"\n\n{}",
            platform(OTHERS),
            platform(ATTACKERS),
            self.sections
        )
    }
}

/// The directory of a scenario, empty.
///
/// # Errors
/// A sentence with the path.
pub(crate) fn empty(path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::create_dir_all(path).map_err(failed)
}

/// Makes these accounts, each with money and a session.
///
/// # Errors
/// A sentence, where the server does not do so.
pub(crate) fn make_accounts(operator: SocketAddr, accounts: AccountRange) -> Result<(), String> {
    let mut client = connect(operator, None, ANSWER_TIMEOUT)?;
    for number in accounts.first..accounts.first + accounts.count {
        let account = call::account(number);
        let session = format!("{{\"SessionKey\":\"{}\"}}", call::session(number));
        let deposit = format!("{{\"TransactionID\":\"first\",\"Amount\":{FUNDS}}}");
        for (method, path, body) in [
            ("PUT", account.clone(), "{\"CountryCode\":\"GB\"}"),
            ("POST", format!("{account}/deposits"), &deposit),
            ("POST", format!("{account}/sessions"), &session),
        ] {
            let (status, text) = ask(&mut client, |out| call::write_operators(method, &path, body, out))?;
            if !matches!(status, 200 | 201) {
                return Err(format!("{method} {path}: {status} {text}"));
            }
        }
    }
    Ok(())
}

/// Connects for one call at a time, each of which is answered within `patience`, from an address where one is given.
///
/// # Errors
/// A sentence.
pub(crate) fn connect(to: SocketAddr, from: Option<Ipv4Addr>, patience: Duration) -> Result<Client, String> {
    let connect = || {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        if let Some(from) = from {
            rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
        }
        rustix::net::connect(&socket, &to)?;
        Client::with_patience(TcpStream::from(socket), patience)
    };
    connect().map_err(|error: io::Error| format!("no server at {to}: {error}"))
}

/// Sends what `write` adds, and waits for the answer: status and body.
///
/// # Errors
/// A sentence, where there is none.
pub(crate) fn ask(client: &mut Client, write: impl FnOnce(&mut Vec<u8>)) -> Result<(u16, String), String> {
    let mut request = Vec::new();
    write(&mut request);
    let answer = client.try_ask(&request).map_err(|error| format!("no answer: {error}"))?;
    Ok((answer.status, answer.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations() {
        let site = ServerSetup {
            binary: PathBuf::from("purser"),
            home: PathBuf::from("/nowhere"),
            shards: 1,
            has_cores: true,
            sections: "[timeouts]\nkeep_alive_ms = 6000\n".to_owned(),
        };
        let text = site.configuration();
        assert!(text.starts_with("operator_token = "), "{text}");
        assert!(text.ends_with("[timeouts]\nkeep_alive_ms = 6000\n"), "{text}");
        assert_eq!(text.matches("[[platform]]").count(), 2, "{text}");
    }
}
