//! Numbers and bytes that stand for dates, times and decimals: as the texts that serde's types of
//! `jiff`, `chrono` and `rust_decimal` are written in, and back.

use jiff::civil::{self, DateTime};
use jiff::{SignedDuration, Timestamp};

use super::shape::{Decimal, Unit};

/// Days since 1970.
const EPOCH: civil::Date = civil::date(1970, 1, 1);

pub(super) fn date(days: i64) -> Option<String> {
    let days = i32::try_from(days).ok()?;
    let date = EPOCH.checked_add(SignedDuration::from_hours(24) * days);
    Some(date.ok()?.to_string())
}

pub(super) fn time(number: i64, unit: Unit) -> Option<String> {
    let since = span(number, unit);
    let is_of_one_day = !since.is_negative() && since < SignedDuration::from_hours(24);
    let time = civil::Time::midnight().checked_add(since).ok()?;
    is_of_one_day.then(|| time.to_string())
}

pub(super) fn timestamp(number: i64, unit: Unit) -> Option<String> {
    let since = span(number, unit);
    Some(Timestamp::from_duration(since).ok()?.to_string())
}

pub(super) fn local_timestamp(number: i64, unit: Unit) -> Option<String> {
    let since = span(number, unit);
    let time = EPOCH.at(0, 0, 0, 0).checked_add(since).ok()?;
    Some(time.to_string())
}

fn span(number: i64, unit: Unit) -> SignedDuration {
    match unit {
        Unit::Millis => SignedDuration::from_millis(number),
        Unit::Micros => SignedDuration::from_micros(number),
        Unit::Nanos => SignedDuration::from_nanos(number),
    }
}

pub(super) fn days_of(text: &str) -> Option<i64> {
    let date: civil::Date = text.parse().ok()?;
    Some(date.duration_since(EPOCH).as_hours() / 24)
}

pub(super) fn time_of(text: &str, unit: Unit) -> Option<i64> {
    let time: civil::Time = text.parse().ok()?;
    number(time.duration_since(civil::Time::midnight()), unit)
}

pub(super) fn timestamp_of(text: &str, unit: Unit) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    number(time.as_duration(), unit)
}

pub(super) fn local_timestamp_of(text: &str, unit: Unit) -> Option<i64> {
    let time: DateTime = text.parse().ok()?;
    number(time.duration_since(EPOCH.at(0, 0, 0, 0)), unit)
}

/// Whole units, those before 1970 rounded to the earlier one.
fn number(since: SignedDuration, unit: Unit) -> Option<i64> {
    let units = since.as_nanos().div_euclid(i128::from(unit.nanos()));
    i64::try_from(units).ok()
}

/// The most bytes of a decimal: some 38 digits.
const WIDEST: usize = 16;
/// More digits behind the point than any that fits has.
const FINEST: usize = 64;

/// `12.34` of the number 1234 with the scale 2, in two's complement with the highest byte first.
pub(super) fn decimal(bytes: &[u8], scale: usize) -> Result<String, String> {
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let fill = if is_negative { 0xFF } else { 0 };
    let cut = bytes.len().saturating_sub(WIDEST);
    let (high, low) = bytes.split_at(cut);
    let mut wide = [fill; WIDEST];
    wide[WIDEST - low.len()..].copy_from_slice(low);
    let number = i128::from_be_bytes(wide);
    let is_whole = high.iter().all(|byte| *byte == fill) && (number < 0) == is_negative;
    if !is_whole || scale > FINEST {
        return Err("a decimal has more digits than 38".to_owned());
    }
    let digits = format!("{:0>1$}", number.unsigned_abs(), scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if is_negative { "-" } else { "" };
    Ok(match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    })
}

/// The bytes of `12.34`: as few as hold it, or as many as are fixed; or why not.
pub(super) fn decimal_of(text: &str, decimal: Decimal) -> Result<Vec<u8>, String> {
    let refused = |why: String| format!("the decimal `{text:.100}` {why}");
    let number = unscaled(text, decimal).map_err(refused)?;
    let bytes = number.to_be_bytes();
    let fill = if number < 0 { 0xFF } else { 0 };
    let needs = |from: usize| (bytes[from] >= 0x80) != (number < 0);
    let mut from = bytes
        .iter()
        .take(WIDEST - 1)
        .take_while(|byte| **byte == fill)
        .count();
    if needs(from) {
        from -= 1;
    }
    let least = &bytes[from..];
    let Some(size) = decimal.size else {
        return Ok(least.to_vec());
    };
    let more = size.checked_sub(least.len());
    let more = more.ok_or_else(|| refused(format!("takes more than its {size} bytes")))?;
    let mut fixed = vec![fill; more];
    fixed.extend(least);
    Ok(fixed)
}

/// 1250 of `12.50` with the scale 2; or why not.
fn unscaled(text: &str, decimal: Decimal) -> Result<i128, String> {
    let Decimal {
        precision, scale, ..
    } = decimal;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(fraction) {
        return Err("is none such as `12.50`".to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > scale {
        return Err(format!(
            "has more digits behind its point than the schema's scale {scale}"
        ));
    }
    let digits = format!("{whole}{fraction:0<width$}", width = scale.min(FINEST));
    let number: Option<i128> = digits.parse().ok().filter(|_| scale <= FINEST);
    let most = u32::try_from(precision)
        .ok()
        .and_then(|digits| 10_u128.checked_pow(digits));
    let fits = |number: &i128| most.is_none_or(|most| number.unsigned_abs() < most);
    let number = number.filter(fits).ok_or_else(|| {
        let most = precision.min(38);
        format!("has more digits than the schema's precision {most}")
    })?;
    Ok(if is_negative { -number } else { number })
}
