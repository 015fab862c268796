//! The lines of an export in one of the forms.

use std::io::Write;

use sonic_rs::{JsonValueTrait as _, PointerNode, get as json_member};

use super::super::{Error, words};
use super::parquet::ParquetWriter;
use crate::config::ExportFormat;
use wallet::Currency;
use wallet::outcome::StatementLine;

/// The columns of CSV, and the members of a line of JSON.
pub(super) const COLUMNS: [&str; 17] = [
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
    "free_game_offer",
    "free_bet_offer",
    "decision",
];

/// A transaction on its way out.
pub(super) struct Row<'a> {
    pub(super) account: &'a str,
    pub(super) line: &'a StatementLine,
    pub(super) currency: Currency,
    /// The platform that asked for it; empty where the operator did, and where that is not known.
    pub(super) platform: &'a str,
    /// It is a bet that was taken back later.
    pub(super) rolled_back: bool,
    /// The codes of the offers that it names: of free games, and of free bets.
    pub(super) offers: [Option<String>; 2],
    /// The `ErrorCode` that its record has; `None` where a snapshot alone remembers it.
    pub(super) decision: Option<i8>,
}

/// The codes of the offers in the members that a record keeps as they came.
pub(super) fn offers(details: &str) -> [Option<String>; 2] {
    ["FreeGameOfferCode", "FreeBetOfferCode"].map(|name| {
        let found = json_member(details, [PointerNode::Key(name.into())]).ok()?;
        found.as_str().map(String::from)
    })
}

/// The lines in one of the forms.
pub(super) enum ExportWriter<'a, W: Write + Send> {
    Json(&'a mut W),
    Csv(Box<csv::Writer<&'a mut W>>),
    Parquet(Box<ParquetWriter<'a, W>>),
}

impl<'a, W: Write + Send> ExportWriter<'a, W> {
    /// Begins an export: the header of CSV.
    pub(super) fn begin(format: ExportFormat, out: &'a mut W) -> Result<Self, Error> {
        Ok(match format {
            ExportFormat::Jsonl => Self::Json(out),
            ExportFormat::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(COLUMNS).map_err(csv_error)?;
                Self::Csv(Box::new(writer))
            }
            ExportFormat::Parquet => Self::Parquet(Box::new(ParquetWriter::begin(out)?)),
        })
    }

    /// Writes a line.
    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        match self {
            Self::Parquet(writer) => writer.write(row),
            Self::Csv(writer) => writer.write_record(row.cells()).map_err(csv_error),
            Self::Json(out) => {
                let members = COLUMNS.iter().zip(row.values());
                let members: Vec<String> =
                    members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
                Ok(writeln!(out, "{{{}}}", members.join(","))?)
            }
        }
    }

    /// Writes what is left.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self {
            Self::Json(out) => Ok(out.flush()?),
            Self::Csv(mut writer) => Ok(writer.flush()?),
            Self::Parquet(writer) => writer.finish(),
        }
    }
}

const fn truth(holds: bool) -> &'static str {
    if holds { "true" } else { "false" }
}

impl Row<'_> {
    /// As the cells of CSV, empty where there is nothing.
    fn cells(&self) -> [String; COLUMNS.len()] {
        let line = self.line;
        let text = |text: &Option<compact_str::CompactString>| text.as_deref().unwrap_or_default().to_owned();
        let [free_game, free_bet] = &self.offers;
        [
            self.account.to_owned(),
            line.number.to_string(),
            words::type_of(line.kind).to_owned(),
            text(&line.round),
            line.transaction.to_string(),
            words::decimal(line.amount.minor().into(), self.currency),
            self.currency.code().to_owned(),
            words::decimal(line.balance_after.minor().into(), self.currency),
            words::time(line.at_ms),
            truth(self.rolled_back).to_owned(),
            truth(line.moved_nothing).to_owned(),
            self.platform.to_owned(),
            text(&line.game),
            text(&line.original),
            free_game.clone().unwrap_or_default(),
            free_bet.clone().unwrap_or_default(),
            self.decision.map_or_else(String::new, |code| code.to_string()),
        ]
    }

    /// As values of JSON.
    fn values(&self) -> [String; COLUMNS.len()] {
        let mut values = self.cells();
        for (name, value) in COLUMNS.iter().zip(&mut values) {
            match *name {
                "number" | "amount" | "balance_after" | "rolled_back" | "moved_nothing" => {}
                "decision" if !value.is_empty() => {}
                "account" | "type" | "transaction" | "currency" | "at" => *value = quoted(value),
                _ if value.is_empty() => *value = "null".to_owned(),
                _ => *value = quoted(value),
            }
        }
        values
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_found_among_what_was_recorded() {
        let check = |details: &str, expect: [Option<&str>; 2]| {
            assert_eq!(offers(details), expect.map(|code| code.map(String::from)), "{details}");
        };
        check("{}", [None, None]);
        check(r#"{"GameVersion":"1.0"}"#, [None, None]);
        check(r#"{"FreeGameOfferCode":"a\u00e9"}"#, [Some("aé"), None]);
        check(r#"{"FreeGameOfferCode":"g","TableID":"x","FreeBetOfferCode":"b"}"#, [Some("g"), Some("b")]);
    }
}
