//! The small world of a simulation: three domains, three platforms, three games, some players over all slots, each with
//! a few session keys; and the configurations that it may have, from one start to the next.

use std::collections::{BTreeMap, BTreeSet};

use wallet::account::AccountHash;
use wallet::{Currency, Dialect, PlatformKey, RoundScope, TokenPolicy};

use crate::auditor::{Brand, Rules, Times, Zone};
use crate::home::TOKEN;
use crate::workload::Chance;

/// The platforms' keys.
const PLATFORMS: [&str; 3] = ["L100", "L200", "日本"];

/// Domains: name, currency, places of the platforms that they are served to.
pub const DOMAINS: [(&str, &str, &[usize]); 3] =
    [("default", "GBP", &[0, 1]), ("nippon", "JPY", &[0, 1, 2]), ("gulf", "KWD", &[2])];

/// The games that may be offered.
pub const GAMES: [&str; 3] = ["11588", "11590", "g2"];

/// Session keys of a player.
const KEYS: usize = 3;

/// Session keys of the first player, who has more of them than are remembered.
const KEYS_OF_FIRST: usize = limits::SESSIONS_REMEMBERED_MAX + 8;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Retentions that are drawn.
const RETENTIONS_MS: [u64; 5] = [2 * MINUTE_MS, HOUR_MS, limits::RETENTION_MS, 30 * DAY_MS, 120 * DAY_MS];

/// Idle times that are drawn.
const IDLE_MS: [u64; 3] = [2 * MINUTE_MS, limits::SESSION_IDLE_MS, 12 * HOUR_MS];

/// How long refusals are remembered, as it is drawn.
const REFUSALS_MS: [u64; 4] = [0, 0, 5 * MINUTE_MS, DAY_MS];

/// Time zones that are drawn.
const ZONES: [Zone; 5] = [Zone::Utc, Zone::Utc, Zone::Fixed(330), Zone::Fixed(-300), Zone::Turning];

/// A player of the world, who need not have an account yet.
#[derive(Clone, Debug)]
pub struct Player {
    /// `OperatorAccountID`.
    pub id: String,
    /// The domain's currency.
    pub currency: Currency,
    /// The platforms that the domain is served to.
    pub platforms: Vec<PlatformKey>,
    /// The session keys that the player logs in with.
    pub keys: Vec<String>,
}

/// Who and what there is.
#[derive(Clone, Debug)]
pub struct World {
    /// The players, in the order of their slots.
    pub players: Vec<Player>,
}

impl World {
    /// A world of so many players, each in a part of the slots of its own.
    ///
    /// # Panics
    /// Where there are more players than slots, or none.
    pub fn new(players: usize) -> Self {
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
                platforms: platforms.iter().copied().map(platform).collect(),
                keys: (0..keys).map(|number| format!("key-{place}-{number}")).collect(),
            }
        });
        Self { players: players.collect() }
    }

    /// The configuration of the world, with the default times and dialects.
    pub fn rules(token_policy: TokenPolicy) -> Rules {
        let domains = DOMAINS.map(|(name, code, platforms)| {
            let platforms = platforms.iter().copied().map(platform).collect();
            (name.to_owned(), Brand { currency: currency(code), platforms, zone: Zone::Utc })
        });
        let dialect = Dialect { token_policy, ..Dialect::default() };
        Rules {
            domains: BTreeMap::from(domains),
            games: BTreeSet::from(GAMES.map(str::to_owned)),
            dialects: (0..PLATFORMS.len()).map(|place| (platform(place), dialect)).collect(),
            token_life_ms: crate::auditor::bounds::TOKEN_LIFE_MS,
            times: Times { session_idle_ms: limits::SESSION_IDLE_MS, retention_ms: limits::RETENTION_MS },
        }
    }

    /// A configuration file that says what `rules` do, but for times and zones. A platform's user and password are its key.
    pub fn configuration(rules: &Rules) -> String {
        let games: Vec<_> = rules.games.iter().collect();
        let mut text = format!("operator_token = {TOKEN:?}\ngames = {games:?}\n");
        for (platform, dialect) in &rules.dialects {
            let is_served = |(_, brand): &(_, &Brand)| brand.platforms.contains(platform);
            let served: Vec<_> = rules.domains.iter().filter(is_served).map(|(name, _)| name).collect();
            let scope = if dialect.round_scope == RoundScope::Game { "game" } else { "platform" };
            let unknown = if dialect.unknown_rollback_succeeds { 0 } else { -8 };
            let strict = dialect.strict_rounds;
            text += &format!(
                "\n[[platform]]\nkey = \"{platform}\"\nuser = \"{platform}\"\npassword = \"{platform}\"\ndomains = {served:?}\n\
                 round_scope = {scope:?}\nunknown_rollback = {unknown}\nstrict_rounds = {strict}\n"
            );
        }
        for (name, brand) in &rules.domains {
            text += &format!("\n[[domain]]\nname = {name:?}\ncurrency = {:?}\n", brand.currency.code());
        }
        text
    }

    /// Any configuration of the world.
    pub fn draw(chance: &mut Chance) -> Rules {
        let mut rules = Self::rules(TokenPolicy::SingleUse);
        for place in 0..PLATFORMS.len() {
            rules.dialects.insert(platform(place), draw_dialect(chance));
        }
        for brand in rules.domains.values_mut() {
            brand.zone = ZONES[chance.index(ZONES.len())];
        }
        if chance.percent(60) {
            rules.times = draw_times(chance);
        }
        rules
    }

    /// The configuration of the next start: mostly as it was, or with one thing changed.
    pub fn redraw(rules: &mut Rules, chance: &mut Chance) {
        match chance.below(20) {
            0..3 => rules.times = draw_times(chance),
            3 => rules.times.retention_ms = RETENTIONS_MS[chance.index(2)],
            4..6 => {
                rules.dialects.insert(any_platform(chance), draw_dialect(chance));
            }
            6..8 => {
                // A game is withdrawn, or offered again.
                let game = GAMES[chance.index(GAMES.len())];
                if !rules.games.remove(game) {
                    rules.games.insert(game.to_owned());
                }
            }
            8 => rules.games.extend(GAMES.map(str::to_owned)),
            9 => {
                let (name, ..) = DOMAINS[chance.index(DOMAINS.len())];
                let zone = ZONES[chance.index(ZONES.len())];
                rules.domains.get_mut(name).expect("it stays").zone = zone;
            }
            10 => {
                // A domain is served to one platform less, or to all again.
                let (name, _, platforms) = DOMAINS[chance.index(DOMAINS.len())];
                let served = &mut rules.domains.get_mut(name).expect("it stays").platforms;
                if served.len() == platforms.len() && served.len() > 1 {
                    served.remove(chance.index(platforms.len()));
                } else {
                    *served = platforms.iter().copied().map(platform).collect();
                }
            }
            _ => {}
        }
    }
}

fn draw_times(chance: &mut Chance) -> Times {
    Times {
        session_idle_ms: IDLE_MS[chance.index(IDLE_MS.len())],
        retention_ms: RETENTIONS_MS[chance.index(RETENTIONS_MS.len())],
    }
}

fn draw_dialect(chance: &mut Chance) -> Dialect {
    Dialect {
        round_scope: if chance.percent(50) { RoundScope::Platform } else { RoundScope::Game },
        unknown_rollback_succeeds: chance.percent(40),
        strict_rounds: chance.percent(40),
        remember_refusals_ms: REFUSALS_MS[chance.index(REFUSALS_MS.len())],
        token_policy: if chance.percent(50) { TokenPolicy::SingleUse } else { TokenPolicy::Wrapped },
    }
}

/// A listed currency.
///
/// # Panics
/// Where ISO 4217 has no such code.
pub fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("the world's currencies are listed")
}

/// One of the world's platforms.
///
/// # Panics
/// Where there is no such place.
pub fn platform(place: usize) -> PlatformKey {
    PlatformKey::new(PLATFORMS[place]).expect("the world's keys are short")
}

/// Any of the world's platforms.
pub(crate) fn any_platform(chance: &mut Chance) -> PlatformKey {
    platform(chance.index(PLATFORMS.len()))
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

    #[test]
    fn every_configuration_comes_back() {
        let mut chance = Chance::new(1);
        let (mut rules, mut changes, mut withdrawn) = (World::draw(&mut chance), 0, 0);
        for _ in 0..200 {
            let before = rules.clone();
            World::redraw(&mut rules, &mut chance);
            changes += u32::from(before != rules);
            withdrawn += u32::from(rules.games.len() < GAMES.len());
        }
        assert!((40..160).contains(&changes), "{changes}");
        assert!((1..200).contains(&withdrawn), "{withdrawn}");
    }
}
