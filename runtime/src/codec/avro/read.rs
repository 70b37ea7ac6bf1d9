//! From Avro to JSON text, with nothing between: what a payload claims costs nothing.

use std::io::Write as _;

use serde::Serialize;
use uuid::Uuid;

use super::shape::{At, Decimal, Part, Shape, Unit};
use super::{DEEPEST, Fault, logical};

/// The text may be so long, and so many times as long as what it is read from: names of fields are in
/// it, and a byte is a number. What takes no bytes could be claimed without end.
const ROOM: usize = 256 * 1024;
const GROWTH: usize = 32;

pub(super) fn read(shape: &Shape, datum: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut reader = Reader {
        shape,
        rest: datum,
        json: Vec::with_capacity(128 + 2 * datum.len()),
        longest: ROOM.saturating_add(datum.len().saturating_mul(GROWTH)),
    };
    reader.value(shape.root(), 0)?;
    match reader.rest.len() {
        0 => Ok(reader.json),
        more => Err(Fault::new(format!("{more} bytes stand behind the value"))),
    }
}

struct Reader<'a> {
    shape: &'a Shape,
    rest: &'a [u8],
    json: Vec<u8>,
    longest: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, at: At, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(Fault::new(format!(
                "the value is nested deeper than {DEEPEST}"
            )));
        }
        if self.json.len() > self.longest {
            let longest = self.longest;
            return Err(Fault::new(format!(
                "the value takes more than {longest} bytes as JSON"
            )));
        }
        match self.shape.part(at) {
            Part::Null => self.put("null"),
            Part::Boolean => match self.bytes(1)? {
                [0] => self.put("false"),
                [1] => self.put("true"),
                _ => return Err(Fault::new("a truth value is neither 0 nor 1")),
            },
            Part::Int => {
                let number = self.int()?;
                self.show(number);
            }
            Part::Long => {
                let number = self.long()?;
                self.show(number);
            }
            Part::Float => {
                let number = f32::from_le_bytes(self.array()?);
                self.float(number.is_finite(), number)?;
            }
            Part::Double => {
                let number = f64::from_le_bytes(self.array()?);
                self.float(number.is_finite(), number)?;
            }
            Part::Bytes => {
                let bytes = self.counted()?;
                self.numbers(bytes);
            }
            Part::Fixed(size) => {
                let bytes = self.bytes(*size)?;
                self.numbers(bytes);
            }
            Part::String => {
                let text = self.text()?;
                self.json(text)?;
            }
            Part::Enum(symbols) => {
                let nth = self.long()?;
                let symbol = usize::try_from(nth).ok().and_then(|nth| symbols.get(nth));
                let symbol = symbol
                    .ok_or_else(|| Fault::new(format!("an enum has no symbol number {nth}")))?;
                self.json(symbol)?;
            }
            Part::Union(variants) => {
                let nth = self.long()?;
                let variant = usize::try_from(nth).ok().and_then(|nth| variants.get(nth));
                let variant = *variant
                    .ok_or_else(|| Fault::new(format!("a union has no branch number {nth}")))?;
                self.value(variant, depth)?;
            }
            Part::Array(items) => self.array_of(*items, depth)?,
            Part::Map(values) => self.map_of(*values, depth)?,
            Part::Record(fields) => {
                for (nth, field) in fields.iter().enumerate() {
                    self.put(if nth == 0 { "{" } else { "," });
                    self.json(&field.name)?;
                    self.put(":");
                    let read = self.value(field.part, depth + 1);
                    read.map_err(|fault| fault.within(&field.name))?;
                }
                self.put(if fields.is_empty() { "{}" } else { "}" });
            }
            part => self.logical(part)?,
        }
        Ok(())
    }

    /// What stands for something else: as serde's types of dates, times and ids are written in texts.
    /// A number that is beyond those stays a number.
    fn logical(&mut self, part: &Part) -> Result<(), Fault> {
        if let Part::Decimal(Decimal { scale, size, .. }) = part {
            let bytes = match size {
                Some(size) => self.bytes(*size)?,
                None => self.counted()?,
            };
            let text = logical::decimal(bytes, *scale).map_err(Fault::new)?;
            return self.json(&text);
        }
        if let Part::Uuid = part {
            let id = Uuid::from_bytes(self.array()?);
            return self.json(&id.hyphenated().to_string());
        }
        let number = match part {
            Part::Date | Part::Time(Unit::Millis) => self.int()?,
            _ => self.long()?,
        };
        let text = match part {
            Part::Date => logical::date(number),
            Part::Time(unit) => logical::time(number, *unit),
            Part::Timestamp(unit) => logical::timestamp(number, *unit),
            Part::LocalTimestamp(unit) => logical::local_timestamp(number, *unit),
            _ => None,
        };
        match text {
            Some(text) => self.json(&text),
            None => {
                self.show(number);
                Ok(())
            }
        }
    }

    fn array_of(&mut self, items: At, depth: usize) -> Result<(), Fault> {
        self.put("[");
        let mut nth = 0_usize;
        self.blocks(|reader| {
            if nth > 0 {
                reader.put(",");
            }
            let read = reader.value(items, depth + 1);
            read.map_err(|fault| fault.within(nth))?;
            nth += 1;
            Ok(())
        })?;
        self.put("]");
        Ok(())
    }

    fn map_of(&mut self, values: At, depth: usize) -> Result<(), Fault> {
        self.put("{");
        let mut is_first = true;
        self.blocks(|reader| {
            if !is_first {
                reader.put(",");
            }
            is_first = false;
            let key = reader.text()?;
            reader.json(key)?;
            reader.put(":");
            let read = reader.value(values, depth + 1);
            read.map_err(|fault| fault.within(key))
        })?;
        self.put("}");
        Ok(())
    }

    /// The items of an array or a map: in blocks, each with its count before it, up to one of none.
    fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // Its size in bytes, for whoever skips it.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
        }
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.counted()?;
        std::str::from_utf8(bytes).map_err(|_| Fault::new("a text is no UTF-8"))
    }

    fn counted(&mut self) -> Result<&'a [u8], Fault> {
        let count = self.long()?;
        let count = usize::try_from(count).map_err(|_| Fault::new("a length is below zero"))?;
        self.bytes(count)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            let left = self.rest.len();
            let words = format!("{count} bytes are to come, and {left} are left");
            return Err(Fault::new(words));
        };
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn int(&mut self) -> Result<i64, Fault> {
        let fits = i32::try_from(self.long()?).map(i64::from);
        fits.map_err(|_| Fault::new("an int is beyond 32 bits"))
    }

    /// Seven bits a byte, the lowest first; signs by turns.
    fn long(&mut self) -> Result<i64, Fault> {
        let mut number = 0_u64;
        for nth in 0..10 {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if nth == 9 && bits > 1 {
                break;
            }
            number |= bits << (7 * nth);
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err(Fault::new("a number is beyond 64 bits"))
    }

    fn put(&mut self, text: &str) {
        self.json.extend(text.as_bytes());
    }

    fn show(&mut self, number: impl std::fmt::Display) {
        // A `Vec` takes it all.
        let _ = write!(self.json, "{number}");
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Fault> {
        let written = serde_json::to_writer(&mut self.json, value);
        written.map_err(|error| Fault::new(error.to_string()))
    }

    fn float(&mut self, is_finite: bool, number: impl Serialize) -> Result<(), Fault> {
        if is_finite {
            return self.json(&number);
        }
        Err(Fault::new("a number is infinite, or none at all"))
    }

    fn numbers(&mut self, bytes: &[u8]) {
        self.put("[");
        for (nth, byte) in bytes.iter().enumerate() {
            if nth > 0 {
                self.put(",");
            }
            self.show(byte);
        }
        self.put("]");
    }
}
