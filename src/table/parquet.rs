//! Parquet: one row group, times as milliseconds in UTC, counters as 64-bit numbers, no compression
//! beyond dictionaries, which every reader knows.

use std::{io, sync::Arc};

use parquet::{
    basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{Type, TypePtr},
};

use super::{Cell, Kind, Row, columns};

pub(super) fn write(rows: &[&Row]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    fill(rows, &mut out).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(out)
}

fn fill(rows: &[&Row], out: &mut Vec<u8>) -> Result<(), ParquetError> {
    let properties = WriterProperties::builder().set_created_by("postrider".to_owned()).build();
    let mut file = SerializedFileWriter::new(out, schema()?, Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for (index, (_, kind)) in columns().enumerate() {
        let cells = rows.iter().filter_map(|row| row.cells().nth(index));
        let (mut numbers, mut texts, mut given) = (Vec::new(), Vec::new(), Vec::new());
        for cell in cells {
            let number = match cell {
                Cell::Time(time) => time.map(jiff::Timestamp::as_millisecond),
                // What no 64 bits hold is no counter of a mail service.
                Cell::Count(count) => count.and_then(|count| i64::try_from(count).ok()),
                Cell::Text(text) => {
                    given.push(i16::from(text.is_some()));
                    texts.extend(text.map(ByteArray::from));
                    continue;
                }
            };
            given.push(i16::from(number.is_some()));
            numbers.extend(number);
        }
        let Some(mut column) = group.next_column()? else { break };
        match kind {
            Kind::Text => {
                column.typed::<ByteArrayType>().write_batch(&texts, Some(&given), None)?
            }
            Kind::Time | Kind::Count => {
                column.typed::<Int64Type>().write_batch(&numbers, Some(&given), None)?
            }
        };
        column.close()?;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

fn schema() -> Result<TypePtr, ParquetError> {
    let column = |(name, kind): (&str, Kind)| {
        let builder = |physical| {
            Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL)
        };
        let column = match kind {
            Kind::Time => {
                let logical = LogicalType::timestamp(true, TimeUnit::MILLIS);
                builder(Physical::INT64)
                    .with_logical_type(Some(logical))
                    .with_converted_type(ConvertedType::TIMESTAMP_MILLIS)
            }
            Kind::Text => {
                let builder = builder(Physical::BYTE_ARRAY);
                builder
                    .with_logical_type(Some(LogicalType::String))
                    .with_converted_type(ConvertedType::UTF8)
            }
            Kind::Count => builder(Physical::INT64),
        };
        column.build().map(Arc::new)
    };
    let columns = columns().map(column).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(Type::group_type_builder("summary").with_fields(columns).build()?))
}
