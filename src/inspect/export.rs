//! `purser export`: every transaction that is remembered, one line each.

use std::io::{IsTerminal as _, Write};

use super::progress::Progress;
use super::{Error, open, origin, recover, words};
use crate::config::{ExportArgs, ExportFormat};
use crate::storage::look::OpenedShard;
use crate::wallet::image::{AccountImage, TransactionImage};
use crate::wallet::outcome::LineKind;
use crate::wallet::settings::Settings;
use crate::wallet::{Currency, Millis, Wallet};

/// The columns of CSV, and the members of a line of JSON.
const COLUMNS: [&str; 11] = [
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
];

/// Writes all transactions to `out`: shard by shard, slot by slot, by account and number. One shard is in memory at a
/// time.
///
/// # Errors
/// Where there are no data, or they are damaged; and where nobody reads the output.
pub fn export(args: &ExportArgs, out: &mut impl Write) -> Result<(), Error> {
    let opened = open(&args.data)?;
    let bytes = opened.shards.iter().map(OpenedShard::bytes).sum();
    let progress = Progress::of(bytes, !std::io::stdout().is_terminal());
    let mut lines = match args.format {
        ExportFormat::Jsonl => Lines::Json(out),
        ExportFormat::Csv => Lines::Csv(Box::new(csv::Writer::from_writer(out))),
    };
    lines.begin()?;
    for (id, shard) in opened.shards.iter().enumerate() {
        let recovered = recover(shard, origin(opened.manifest, id), &progress)?;
        shard_lines(&recovered.wallet, recovered.now_ms, &mut lines)?;
    }
    lines.finish()
}

fn shard_lines(wallet: &Wallet, now_ms: Millis, lines: &mut Lines<impl Write>) -> Result<(), Error> {
    for (_, places) in wallet.by_slot() {
        let mut accounts: Vec<AccountImage> = wallet.images(&places).collect();
        accounts.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        for account in &accounts {
            let domain = account.id.split_once('/').map_or("", |(domain, _)| domain);
            let domains = &wallet.settings().domains;
            let known = domains.iter().find(|(name, _)| name == domain);
            let (_, currency) = known.expect("an account has a domain");
            for line in account_lines(account, *currency, wallet.settings(), now_ms) {
                lines.write(&line)?;
            }
        }
    }
    Ok(())
}

/// A transaction on its way out.
struct Line<'a> {
    account: &'a str,
    kind: LineKind,
    round: Option<&'a str>,
    known: &'a TransactionImage,
    currency: Currency,
}

/// The transactions of an account that are remembered at `now_ms`, by number.
fn account_lines<'a>(
    image: &'a AccountImage,
    currency: Currency,
    settings: &Settings,
    now_ms: Millis,
) -> Vec<Line<'a>> {
    let retention_ms = settings.retention_ms;
    let is_kept = move |at_ms: Millis| at_ms.saturating_add(retention_ms) > now_ms;
    let line = |round: Option<&'a str>, known: &'a TransactionImage| {
        let kind = known.line_kind()?;
        Some(Line { account: &image.id, kind, round, known, currency })
    };
    // 1 is an open round, which is remembered for ever.
    let rounds = image.rounds.iter().filter(|round| round.state == 1 || is_kept(round.last_ms));
    let of_rounds = rounds
        .flat_map(|round| round.transactions.iter().filter_map(move |known| line(Some(&round.id), known)));
    let outside = image.outside.iter().filter(|known| is_kept(known.at_ms));
    let mut lines: Vec<Line<'a>> = of_rounds.chain(outside.filter_map(|known| line(None, known))).collect();
    lines.sort_unstable_by_key(|line| line.known.number);
    lines
}

/// The lines in one of the forms.
enum Lines<'a, W: Write> {
    Json(&'a mut W),
    Csv(Box<csv::Writer<&'a mut W>>),
}

impl<W: Write> Lines<'_, W> {
    fn begin(&mut self) -> Result<(), Error> {
        match self {
            Self::Json(_) => Ok(()),
            Self::Csv(writer) => writer.write_record(COLUMNS).map_err(csv_error),
        }
    }

    fn write(&mut self, line: &Line<'_>) -> Result<(), Error> {
        let Line { account, kind, round, known, currency } = line;
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
                ];
                writer.write_record(cells).map_err(csv_error)
            }
            Self::Json(out) => {
                let round = round.map_or_else(|| "null".into(), quoted);
                let cells = [
                    quoted(account),
                    number,
                    quoted(words::type_of(*kind)),
                    round,
                    quoted(&known.id),
                    amount,
                    quoted(currency.code()),
                    balance_after,
                    quoted(&at),
                    rolled_back.into(),
                    moved_nothing.into(),
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
