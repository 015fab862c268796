//! Rounds that have left memory: they are answered as if they were there, whatever is killed, re-sharded and folded meanwhile.

use std::collections::BTreeMap;
use std::fs;

use testkit::client::sum;
use testkit::home::{Home, Server};
use testkit::message;

use crate::PURSER;
use crate::files::names;
use crate::fill::{come_to_next_segments, create_fillers, fill_segments};

const PLAYERS: usize = 8;

/// Rounds that each player has played before a fold.
const ROUNDS: usize = 12;

fn player(number: usize) -> String {
    format!("default/player-{number}")
}

/// Whoever asks, with what was answered first by what was asked.
#[derive(Default)]
struct Told {
    answers: BTreeMap<(usize, usize, &'static str), String>,
    /// What each player holds, in pence.
    cash: [i64; PLAYERS],
    rounds: usize,
}

/// Calls that move money outside of rounds. Their ids are those of rounds, and of each other.
const PAYMENTS: [(&str, i64); 3] = [("credit", 7), ("deposits", 300), ("withdrawals", -20)];

/// What a call about a round says beside its names.
fn more(name: &str, account: &str) -> String {
    match name {
        "placebet" => {
            let token = format!(r#","GatewaySessionToken":"{account}""#);
            token + &message::transaction("bet", "1.00", true, false)
        }
        "awardwinnings" => message::transaction("win", "0.40", false, true),
        "rollbackbet" => {
            let original = r#","OriginalBetGameRoundTransactionID":"bet""#;
            original.to_owned() + &message::transaction("back", "1.00", false, false)
        }
        name => panic!("{name}"),
    }
}

/// The code of an answer.
fn code(answer: &str) -> &str {
    answer.trim_start_matches(r#"{"ErrorCode":"#).split([',', '}']).next().unwrap_or_default()
}

impl Told {
    /// What is asked by these names is answered.
    fn ask(&self, server: &Server, player: usize, round: usize, name: &'static str) -> String {
        let account = self::player(player);
        if let Some((_, pence)) = PAYMENTS.iter().find(|(payment, _)| *payment == name) {
            return pay(server, &account, &format!("r-{round}"), name, pence.abs());
        }
        let request = message::play(name, &account, &format!("r-{round}"), &more(name, &account));
        server.client().ask(&request).body
    }

    /// Asks for the first time, and it is done. `moves` pence.
    #[track_caller]
    fn first(&mut self, server: &Server, player: usize, round: usize, name: &'static str, moves: i64) {
        let answer = self.ask(server, player, round, name);
        assert_eq!(code(&answer), "0", "{name} of player {player} and round {round}: {answer}");
        self.cash[player] += moves;
        self.answers.insert((player, round, name), answer);
    }

    /// Plays further rounds of a bet and a win with each player.
    #[track_caller]
    fn play(&mut self, server: &Server) {
        for player in 0..PLAYERS {
            for round in self.rounds..self.rounds + ROUNDS {
                self.first(server, player, round, "placebet", -100);
                self.first(server, player, round, "awardwinnings", 40);
                for (name, pence) in PAYMENTS {
                    self.first(server, player, round, name, pence);
                }
            }
        }
        self.rounds += ROUNDS;
    }

    /// Whatever was asked is asked again, and answered as the first time; but a bet that was taken back is refused. Nothing moves.
    #[track_caller]
    fn check(&self, server: &Server) {
        for ((player, round, name), first) in &self.answers {
            let again = self.ask(server, *player, *round, name);
            let taken_back =
                *name == "placebet" && self.answers.contains_key(&(*player, *round, "rollbackbet"));
            let expect = if taken_back { "-7" } else { code(first) };
            assert_eq!(code(&again), expect, "{name} of player {player} and round {round}: {again}");
        }
        for (player, pence) in self.cash.iter().enumerate() {
            let account = server.operate(&format!("GET {}", self::player(player)), "", 200);
            let cash = format!(r#""CashFunds":{}.{:02},"#, pence / 100, pence % 100);
            assert!(account.contains(&cash), "{cash} of player {player}: {account}");
        }
        let lines = self.answers.len() + PLAYERS;
        let told: usize = (0..PLAYERS).map(|player| statement(server, &self::player(player))).sum();
        assert_eq!(told, lines, "lines of all statements");
    }
}

/// A payment outside of rounds; its answer as a platform's call has it, or the operator's with the code 0.
fn pay(server: &Server, account: &str, id: &str, name: &str, pence: i64) -> String {
    let amount = format!("{}.{:02}", pence / 100, pence % 100);
    if name == "credit" {
        return server.client().ask(&message::credit(account, id, &amount)).body;
    }
    let body = format!(r#"{{"TransactionID":"{id}","Amount":{amount}}}"#);
    let answer = server.operate(&format!("POST {account}/{name}"), &body, 200);
    format!(r#"{{"ErrorCode":0,"Answer":{answer}}}"#)
}

/// Lines of an account's statement, which is complete.
#[track_caller]
fn statement(server: &Server, account: &str) -> usize {
    let (mut lines, mut after) = (0, 0);
    loop {
        let page = server.operate(&format!("GET {account}/transactions?after={after}"), "", 200);
        assert!(page.contains(r#""CompleteFrom":1"#), "{account}: {page}");
        let numbers: Vec<u64> = page
            .split(r#""Number":"#)
            .skip(1)
            .map(|rest| rest.split(',').next().and_then(|number| number.parse().ok()).expect("a number"))
            .collect();
        lines += numbers.len();
        match numbers.last() {
            Some(last) if page.contains(r#""More":true"#) => after = *last,
            _ => return lines,
        }
    }
}

fn home() -> Home {
    let mut home = Home::new(PURSER);
    let sections = "\n[rounds]\nhot_ms = 1\n\n[storage]\nsnapshot_segments = 1\narchive_days = 0\n";
    home.configure(&[("default", "GBP")], sections);
    home
}

#[track_caller]
fn begun(home: &Home, shards: usize) -> Told {
    let server = home.start(shards);
    create_fillers(&server);
    for account in (0..PLAYERS).map(player) {
        server.put_account(&account);
        server.operate(&format!("POST {account}/sessions"), &format!(r#"{{"SessionKey":"{account}"}}"#), 201);
        let deposit = r#"{"TransactionID":"d-1","Amount":100.00}"#;
        server.operate(&format!("POST {account}/deposits"), deposit, 200);
    }
    let mut told = Told { cash: [10_000; PLAYERS], ..Told::default() };
    told.play(&server);
    assert_eq!(server.stop(), "");
    told
}

/// Lets the shards come to their next segments, and waits until the rounds that were played before have left memory.
#[track_caller]
fn fold(home: &Home, shards: usize, told: &Told) -> Server {
    fill_segments(&home.data());
    let server = home.start(shards);
    come_to_next_segments(&server, (0..PLAYERS).map(player));
    // A round, and three payments; and each player's first deposit.
    let rounds = (PLAYERS * (told.rounds * (1 + PAYMENTS.len()) + 1)) as f64;
    let mut operator = server.operator();
    loop {
        let metrics = operator.metrics();
        let of = |name: &str| sum(&metrics, name, "");
        if of("purser_history_rounds") >= rounds && of("purser_rounds") == 0.0 {
            return server;
        }
    }
}

#[test]
fn what_has_left_memory_is_answered_as_the_first_time() {
    let home = home();
    let mut told = begun(&home, 1);
    let server = fold(&home, 1, &told);
    told.check(&server);
    // Late rollbacks are credited once; a win that is late is paid.
    for player in 0..PLAYERS {
        told.first(&server, player, player, "rollbackbet", 100);
    }
    told.check(&server);
    server.kill();
    let server = home.start(1);
    told.check(&server);
    told.play(&server);
    server.kill();
    home.verify(0);

    // The files are handed on to other shards, and so are those of several shards to one.
    for shards in [2, 3, 1] {
        let server = home.start(shards);
        told.check(&server);
        assert_eq!(server.stop(), "");
        let server = fold(&home, shards, &told);
        told.check(&server);
        let player = shards;
        told.first(&server, player, told.rounds - 1, "rollbackbet", 100);
        told.check(&server);
        told.play(&server);
        server.kill();
        home.verify(0);
    }
    let server = home.start(1);
    told.check(&server);
    assert_eq!(server.stop(), "");
    home.verify(0);
}

/// A history that is not whole is not served: a round would be taken for a new one.
#[test]
fn a_history_that_is_not_whole_is_refused() {
    let home = home();
    let told = begun(&home, 1);
    assert_eq!(fold(&home, 1, &told).stop(), "");
    let shard = home.data().join("gen-1/shard-0");
    let is_file = |name: &String| name.contains("/history-");
    let file =
        home.data().join(names(&home.data()).into_iter().find(is_file).expect("a file of the history"));
    let list = shard.join("history");
    let bytes = fs::read(&file).expect("it is there");
    let cut = |path: &std::path::Path| fs::write(path, &fs::read(path).expect("it is there")[1..]);
    let rows: [(&str, &dyn Fn()); 4] = [
        ("it is missing, and rounds have left the snapshot for it", &|| {
            fs::remove_file(&list).expect("it is there")
        }),
        ("history, byte", &|| cut(&list).expect("there is room")),
        ("it is missing, and the list of the history names it", &|| {
            fs::remove_file(&file).expect("it is there")
        }),
        ("history-", &|| cut(&file).expect("there is room")),
    ];
    let listed = fs::read(&list).expect("it is there");
    for (expect, harm) in rows {
        harm();
        let refusal = home.refusal(1);
        assert!(refusal.contains(expect), "{expect}: {refusal}");
        let verdict = home.verify(1);
        assert!(verdict.contains("DAMAGED"), "{expect}: {verdict}");
        fs::write(&list, &listed).expect("there is room");
        fs::write(&file, &bytes).expect("there is room");
    }
    let mut server = home.start(1);
    told.check(&server);
    // What is harmed while it serves is not told as if it were whole: the process ends.
    let mut harmed = bytes;
    let end = harmed.len() / 2;
    harmed[256..end].fill(0xff);
    fs::write(&file, harmed).expect("there is room");
    let mut client = server.client();
    let of_rounds =
        told.answers.keys().filter(|(_, _, name)| PAYMENTS.iter().all(|(payment, _)| payment != name));
    let requests = of_rounds.map(|(player, round, name)| {
        let account = self::player(*player);
        message::play(name, &account, &format!("r-{round}"), &more(name, &account))
    });
    let unanswered = requests.filter(|request| client.try_ask(request.as_bytes()).is_err()).count();
    assert!(unanswered > 0, "a file is read for some of them");
    let code = server.wait().code();
    let words = server.last_words();
    assert_eq!(code, Some(74), "{words}");
    assert!(words.contains("shard 0: the history can't be read: ") && words.contains("history-"), "{words}");
}
