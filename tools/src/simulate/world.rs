//! The small world of a simulation: three domains, two platforms, two games, some players over all slots, each with
//! a few session keys.

use std::collections::{BTreeMap, BTreeSet};

use purser::limits;
use purser::wallet::account::AccountHash;
use purser::wallet::{Currency, PlatformId, TokenPolicy};

use super::auditor::{Brand, Rules};

/// Domains: name, currency, places of the platforms that they are served to.
pub(crate) const DOMAINS: [(&str, &str, &[usize]); 3] =
    [("default", "GBP", &[0]), ("nippon", "JPY", &[0, 1]), ("gulf", "KWD", &[1])];

/// The games that are offered.
pub(crate) const GAMES: [&str; 2] = ["11588", "11590"];

/// Session keys of a player.
const KEYS: usize = 3;

/// Session keys of the first player, who has more of them than may be live at once.
const KEYS_OF_FIRST: usize = limits::SESSIONS_PER_ACCOUNT_MAX + 4;

/// A player of the world, who need not have an account yet.
#[derive(Clone, Debug)]
pub(crate) struct Player {
    /// `OperatorAccountID`.
    pub(crate) id: String,
    /// The domain's currency.
    pub(crate) currency: Currency,
    /// A platform that the domain is served to.
    pub(crate) platform: PlatformId,
    /// The session keys that the player logs in with.
    pub(crate) keys: Vec<String>,
}

/// Who and what there is.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The players, in the order of their slots.
    pub(crate) players: Vec<Player>,
}

impl World {
    /// A world of so many players, each in a part of the slots of its own.
    ///
    /// # Panics
    /// Where there are more players than slots, or none.
    pub(crate) fn new(players: usize) -> Self {
        assert!(players > 0 && players <= limits::SLOTS);
        let players = (0..players).map(|place| {
            let (domain, code, platforms) = DOMAINS[place % DOMAINS.len()];
            let id = (0..)
                .map(|number| format!("{domain}/player-{number}"))
                .find(|id| usize::from(AccountHash::of(id).slot().index()) * players / limits::SLOTS == place)
                .expect("a hash reaches every slot");
            let keys = if place == 0 { KEYS_OF_FIRST } else { KEYS };
            Player {
                id,
                currency: currency(code),
                platform: platform(platforms[0]),
                keys: (0..keys).map(|number| format!("key-{place}-{number}")).collect(),
            }
        });
        Self { players: players.collect() }
    }

    /// The configuration of the world, with the default times.
    pub(crate) fn rules(token_policy: TokenPolicy) -> Rules {
        let domains = DOMAINS.map(|(name, code, platforms)| {
            let platforms = platforms.iter().copied().map(platform).collect();
            (name.to_owned(), Brand { currency: currency(code), platforms })
        });
        Rules {
            domains: BTreeMap::from(domains),
            games: BTreeSet::from(GAMES.map(str::to_owned)),
            token_policy,
            token_life_ms: limits::TOKEN_LIFE_MS,
            session_idle_ms: limits::SESSION_IDLE_MS,
            retention_ms: limits::RETENTION_MS,
        }
    }
}

/// A listed currency.
///
/// # Panics
/// Where ISO 4217 has no such code.
pub(crate) fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("the world's currencies are listed")
}

/// The platform at a place of the configuration.
///
/// # Panics
/// Where there is no such place.
pub(crate) fn platform(place: usize) -> PlatformId {
    PlatformId::new(place).expect("the world has few platforms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_dealt_over_all_slots() {
        let world = World::new(40);
        assert_eq!(world.players.len(), 40);
        for (place, player) in world.players.iter().enumerate() {
            let slot = usize::from(AccountHash::of(&player.id).slot().index());
            assert_eq!(slot * 40 / limits::SLOTS, place, "{}", player.id);
        }
    }
}
