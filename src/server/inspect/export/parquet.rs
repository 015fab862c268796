//! An export as Parquet: row groups of a bounded number of lines, amounts as minor units.

use std::io::Write;
use std::sync::Arc;

use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

use super::super::{Error, words};
use super::writer::Row;

/// The columns, in the order of [`COLUMNS`](super::writer::COLUMNS). Amounts are minor units of the currency, never floating-point
/// numbers; `minor_digits` says how many of their digits are behind the point.
const SCHEMA: &str = "message purser {
    REQUIRED BYTE_ARRAY account (UTF8);
    REQUIRED INT64 number;
    REQUIRED BYTE_ARRAY type (UTF8);
    OPTIONAL BYTE_ARRAY round (UTF8);
    REQUIRED BYTE_ARRAY transaction (UTF8);
    REQUIRED INT64 amount_minor;
    REQUIRED BYTE_ARRAY currency (UTF8);
    REQUIRED INT32 minor_digits;
    REQUIRED INT64 balance_after_minor;
    REQUIRED INT64 at (TIMESTAMP(MILLIS,true));
    REQUIRED BOOLEAN rolled_back;
    REQUIRED BOOLEAN moved_nothing;
    OPTIONAL BYTE_ARRAY platform (UTF8);
    OPTIONAL BYTE_ARRAY game (UTF8);
    OPTIONAL BYTE_ARRAY original (UTF8);
    OPTIONAL BYTE_ARRAY free_game_offer (UTF8);
    OPTIONAL BYTE_ARRAY free_bet_offer (UTF8);
    OPTIONAL INT32 decision;
}";

/// A column's values, and of one that may have none where it has.
#[derive(Debug)]
struct Column<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Column<T> {
    fn push(&mut self, value: impl Into<Option<T>>) {
        let value = value.into();
        self.levels.push(value.is_some().into());
        self.values.extend(value);
    }
}

fn text(column: &mut Column<ByteArray>, text: &str) {
    column.push(ByteArray::from(text));
}

fn optional(column: &mut Column<ByteArray>, text: Option<&str>) {
    column.push(text.filter(|text| !text.is_empty()).map(ByteArray::from));
}

/// The lines of a row group.
#[derive(Debug, Default)]
struct Group {
    rows: usize,
    account: Column<ByteArray>,
    number: Column<i64>,
    kind: Column<ByteArray>,
    round: Column<ByteArray>,
    transaction: Column<ByteArray>,
    amount: Column<i64>,
    currency: Column<ByteArray>,
    digits: Column<i32>,
    balance_after: Column<i64>,
    at: Column<i64>,
    rolled_back: Column<bool>,
    moved_nothing: Column<bool>,
    platform: Column<ByteArray>,
    game: Column<ByteArray>,
    original: Column<ByteArray>,
    free_game: Column<ByteArray>,
    free_bet: Column<ByteArray>,
    decision: Column<i32>,
}

impl Group {
    fn push(&mut self, row: &Row<'_>) {
        let line = row.line;
        self.rows += 1;
        text(&mut self.account, row.account);
        // At a million a second the numbers last for a quarter of a million years.
        self.number.push(line.number as i64);
        text(&mut self.kind, words::type_of(line.kind));
        optional(&mut self.round, line.round.as_deref());
        text(&mut self.transaction, &line.transaction);
        self.amount.push(line.amount.minor());
        text(&mut self.currency, row.currency.code());
        self.digits.push(i32::from(row.currency.minor_digits()));
        self.balance_after.push(line.balance_after.minor());
        self.at.push(line.at_ms as i64);
        self.rolled_back.push(row.rolled_back);
        self.moved_nothing.push(line.moved_nothing);
        optional(&mut self.platform, Some(row.platform));
        optional(&mut self.game, line.game.as_deref());
        optional(&mut self.original, line.original.as_deref());
        let [free_game, free_bet] = &row.offers;
        optional(&mut self.free_game, free_game.as_deref());
        optional(&mut self.free_bet, free_bet.as_deref());
        self.decision.push(row.decision.map(i32::from));
    }

    /// Writes the columns in the order of the schema.
    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        column::<ByteArrayType, W>(group, &self.account)?;
        column::<Int64Type, W>(group, &self.number)?;
        column::<ByteArrayType, W>(group, &self.kind)?;
        column::<ByteArrayType, W>(group, &self.round)?;
        column::<ByteArrayType, W>(group, &self.transaction)?;
        column::<Int64Type, W>(group, &self.amount)?;
        column::<ByteArrayType, W>(group, &self.currency)?;
        column::<Int32Type, W>(group, &self.digits)?;
        column::<Int64Type, W>(group, &self.balance_after)?;
        column::<Int64Type, W>(group, &self.at)?;
        column::<BoolType, W>(group, &self.rolled_back)?;
        column::<BoolType, W>(group, &self.moved_nothing)?;
        column::<ByteArrayType, W>(group, &self.platform)?;
        column::<ByteArrayType, W>(group, &self.game)?;
        column::<ByteArrayType, W>(group, &self.original)?;
        column::<ByteArrayType, W>(group, &self.free_game)?;
        column::<ByteArrayType, W>(group, &self.free_bet)?;
        column::<Int32Type, W>(group, &self.decision)
    }
}

/// Writes the next column. Levels are not asked for where each line has a value.
fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    column: &Column<T::T>,
) -> Result<(), ParquetError> {
    let mut writer = group.next_column()?.ok_or_else(|| ParquetError::General("no column is left".into()))?;
    writer.typed::<T>().write_batch(&column.values, Some(&column.levels), None)?;
    writer.close()
}

/// An export that is written.
pub(super) struct ParquetWriter<'a, W: Write + Send> {
    file: SerializedFileWriter<&'a mut W>,
    group: Group,
}

impl<'a, W: Write + Send> ParquetWriter<'a, W> {
    pub(super) fn begin(out: &'a mut W) -> Result<Self, Error> {
        let schema = Arc::new(parse_message_type(SCHEMA).map_err(failed)?);
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
        let file = SerializedFileWriter::new(out, schema, Arc::new(properties.build())).map_err(failed)?;
        Ok(Self { file, group: Group::default() })
    }

    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.group.push(row);
        if self.group.rows < limits::EXPORT_GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let group = std::mem::take(&mut self.group);
        if group.rows == 0 {
            return Ok(());
        }
        let mut writer = self.file.next_row_group().map_err(failed)?;
        group.write(&mut writer).and_then(|()| writer.close()).map(drop).map_err(failed)
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        let out = self.file.into_inner().map_err(failed)?;
        Ok(out.flush()?)
    }
}

/// What the output says, where it is that.
fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(error) => match error.downcast::<std::io::Error>() {
            Ok(error) => (*error).into(),
            Err(error) => Error::Failed(format!("can't write Parquet: {error}")),
        },
        error => Error::Failed(format!("can't write Parquet: {error}")),
    }
}
