//! `purser export`: every transaction that is remembered, one line each.

use std::io::{IsTerminal as _, Write};

use super::progress::Progress;
use super::{Error, open, origin, recover, words};
use crate::config::{ExportFormat, ExportOptions};
use storage::reader::OpenedShard;
use wallet::image::{AccountImage, RoundImage, TransactionImage};
use wallet::outcome::LineKind;
use wallet::{Currency, Millis, PlatformKey, Wallet};

/// The columns of CSV, and the members of a line of JSON.
const COLUMNS: [&str; 14] = [
    "account",
    "number",
    "type",
    "round",
    "transaction",
    "amount",
    "currency",
    "balance_after",
    "at",
    "rolled_back",
    "moved_nothing",
    "platform",
    "game",
    "original",
];

/// Writes all transactions to `out`: shard by shard, slot by slot, by account and number. One shard is in memory at a
/// time.
///
/// # Errors
/// Where there are no data, or they are damaged; and where nobody reads the output.
pub fn export(args: &ExportOptions, out: &mut impl Write) -> Result<(), Error> {
    let opened = open(&args.data)?;
    let bytes = opened.shards.iter().map(OpenedShard::bytes).sum();
    let progress = Progress::of(bytes, !std::io::stdout().is_terminal());
    let mut lines = match args.format {
        ExportFormat::Jsonl => ExportWriter::Json(out),
        ExportFormat::Csv => ExportWriter::Csv(Box::new(csv::Writer::from_writer(out))),
    };
    lines.begin()?;
    for (id, shard) in opened.shards.iter().enumerate() {
        let recovered = recover(shard, origin(opened.manifest, id), &progress)?;
        shard_lines(&recovered.wallet, recovered.now_ms, &mut lines)?;
    }
    lines.finish()
}

fn shard_lines(wallet: &Wallet, now_ms: Millis, lines: &mut ExportWriter<impl Write>) -> Result<(), Error> {
    for (_, places) in wallet.by_slot() {
        let mut accounts: Vec<AccountImage> = wallet.images(now_ms, &places).collect();
        accounts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for account in &accounts {
            let domain = account.id.split_once('/').map_or("", |(domain, _)| domain);
            let known = wallet.settings().domain(domain).expect("an account has a domain");
            for line in account_lines(account, known.currency) {
                lines.write(&line)?;
            }
        }
    }
    Ok(())
}

/// A transaction on its way out.
struct ExportLine<'a> {
    account: &'a str,
    kind: LineKind,
    /// `None` outside of rounds.
    round: Option<&'a RoundImage>,
    known: &'a TransactionImage,
    currency: Currency,
}

impl ExportLine<'_> {
    /// The platform that asked for it; empty where the operator did, and where that is not known.
    fn platform(&self) -> String {
        let bytes = self.round.map_or(self.known.platform, |round| round.platform);
        PlatformKey::from_bytes(bytes).unwrap_or(PlatformKey::NONE).to_string()
    }

    /// Empty outside of rounds, and where it is not known.
    fn game(&self) -> &str {
        self.round.map_or("", |round| round.game_of(self.known))
    }

    /// The id of the bet that a rollback takes back.
    fn original(&self) -> Option<&str> {
        let bet = self.round?.transactions.get(self.known.original? as usize)?;
        Some(&bet.id)
    }
}

/// The transactions of an account, by number.
fn account_lines<'a>(image: &'a AccountImage, currency: Currency) -> Vec<ExportLine<'a>> {
    let line = |round: Option<&'a RoundImage>, known: &'a TransactionImage| {
        let kind = known.line_kind()?;
        Some(ExportLine { account: &image.id, kind, round, known, currency })
    };
    let of_rounds = image
        .rounds
        .iter()
        .flat_map(|round| round.transactions.iter().filter_map(move |known| line(Some(round), known)));
    let outside = image.outside.iter().filter_map(|known| line(None, known));
    let mut lines: Vec<ExportLine<'a>> = of_rounds.chain(outside).collect();
    lines.sort_unstable_by_key(|line| line.known.number);
    lines
}

/// The lines in one of the forms.
enum ExportWriter<'a, W: Write> {
    Json(&'a mut W),
    Csv(Box<csv::Writer<&'a mut W>>),
}

impl<W: Write> ExportWriter<'_, W> {
    fn begin(&mut self) -> Result<(), Error> {
        match self {
            Self::Json(_) => Ok(()),
            Self::Csv(writer) => writer.write_record(COLUMNS).map_err(csv_error),
        }
    }

    fn write(&mut self, line: &ExportLine<'_>) -> Result<(), Error> {
        let ExportLine { account, kind, round, known, currency } = line;
        let round = round.map(|round| round.id.as_str());
        let (platform, game) = (line.platform(), line.game());
        let (number, at) = (known.number.to_string(), words::time(known.at_ms));
        let amount = words::decimal(known.amount.into(), *currency);
        let balance_after = words::decimal(known.balance_after.into(), *currency);
        let truth = |holds: bool| if holds { "true" } else { "false" };
        let (rolled_back, moved_nothing) = (truth(known.rolled_back()), truth(known.moved_nothing()));
        match self {
            Self::Csv(writer) => {
                let cells = [
                    *account,
                    &number,
                    words::type_of(*kind),
                    round.unwrap_or_default(),
                    &known.id,
                    &amount,
                    currency.code(),
                    &balance_after,
                    &at,
                    rolled_back,
                    moved_nothing,
                    &platform,
                    game,
                    line.original().unwrap_or_default(),
                ];
                writer.write_record(cells).map_err(csv_error)
            }
            Self::Json(out) => {
                let nullable = |text: Option<&str>| text.map_or_else(|| "null".into(), quoted);
                let named = |text| Some(text).filter(|text: &&str| !text.is_empty());
                let cells = [
                    quoted(account),
                    number,
                    quoted(words::type_of(*kind)),
                    nullable(round),
                    quoted(&known.id),
                    amount,
                    quoted(currency.code()),
                    balance_after,
                    quoted(&at),
                    rolled_back.into(),
                    moved_nothing.into(),
                    nullable(named(&platform)),
                    nullable(named(game)),
                    nullable(line.original()),
                ];
                let members: Vec<String> =
                    COLUMNS.iter().zip(cells).map(|(name, cell)| format!("\"{name}\":{cell}")).collect();
                Ok(writeln!(out, "{{{}}}", members.join(","))?)
            }
        }
    }

    fn finish(self) -> Result<(), Error> {
        match self {
            Self::Json(out) => Ok(out.flush()?),
            Self::Csv(mut writer) => Ok(writer.flush()?),
        }
    }
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    sonic_rs::to_string(text).expect("text is JSON")
}

fn csv_error(error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Error::Failed(format!("can't write CSV: {other:?}")),
    }
}
