//! The `CloudEvents` type Timestamp: RFC 3339.

use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::error::{EnvelopeError, excerpt};

/// Civil time, since `jiff::Timestamp` ends a day before the year 9999 does.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Reads an RFC 3339 timestamp. What is finer than a nanosecond is cut off, and a leap second is
/// taken as the second before it.
pub(crate) fn parse(text: &str) -> Result<SystemTime, EnvelopeError> {
    read(text).ok_or_else(|| EnvelopeError::Time(excerpt(text)))
}

/// `time`, if RFC 3339 can say it: it knows the years 0000 to 9999.
pub(crate) fn check(time: SystemTime) -> Result<SystemTime, EnvelopeError> {
    match utc(time) {
        Some(utc) if utc.year() >= 0 => Ok(time),
        _ => Err(EnvelopeError::Time(excerpt(&format!("{time:?}")))),
    }
}

/// The canonical text: RFC 3339 in UTC, with as many digits of a second as are needed.
pub(crate) struct Rfc3339(pub(crate) SystemTime);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only a clock set beyond the year 9999 is out of range here: all else is checked.
        write!(f, "{}Z", utc(self.0).unwrap_or(DateTime::MAX))
    }
}

fn utc(time: SystemTime) -> Option<DateTime> {
    let since = SignedDuration::system_until(SystemTime::UNIX_EPOCH, time).ok()?;
    EPOCH.checked_add(since).ok()
}

fn read(text: &str) -> Option<SystemTime> {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let (seconds, rest) = text.split_at_checked(SHAPE.len())?;
    if !has_shape(seconds, SHAPE) {
        return None;
    }
    let (nanoseconds, rest) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(fraction) => read_fraction(fraction)?,
    };
    let local = read_civil(seconds)?;
    let offset = read_offset(rest)?;
    // Nearly all are in UTC, and nothing is to be reckoned.
    let utc = if offset.is_zero() {
        local
    } else {
        local.checked_sub(offset).ok()?
    };
    if utc.year() < 0 {
        return None;
    }
    let since = since_epoch(utc) + SignedDuration::from_nanos(nanoseconds);
    if since.is_negative() {
        SystemTime::UNIX_EPOCH.checked_sub(since.unsigned_abs())
    } else {
        SystemTime::UNIX_EPOCH.checked_add(since.unsigned_abs())
    }
}

/// By way of a timestamp where there is one, which is half as much work.
fn since_epoch(utc: DateTime) -> SignedDuration {
    let timestamp = Offset::UTC.to_timestamp(utc);
    timestamp.map_or_else(|_| utc.duration_since(EPOCH), Timestamp::as_duration)
}

/// A date and a time of this shape.
fn read_civil(text: &str) -> Option<DateTime> {
    let number = |digits: Range<usize>| {
        let digits = text.as_bytes()[digits].iter();
        digits.fold(0_i16, |number, digit| number * 10 + i16::from(digit - b'0'))
    };
    let small = |digits| i8::try_from(number(digits)).ok();
    let (year, month, day) = (number(0..4), small(5..7)?, small(8..10)?);
    let (hour, minute, second) = (small(11..13)?, small(14..16)?, small(17..19)?);
    // A leap second is the one before it.
    let second = if second == 60 { 59 } else { second };
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

/// The nanoseconds in the digits at the start of `text`, and what stands behind the digits.
fn read_fraction(text: &str) -> Option<(i64, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(end);
    let known = digits.get(..9).unwrap_or(digits);
    let scale = 10_i64.pow(9 - u32::try_from(known.len()).ok()?);
    Some((known.parse::<i64>().ok()? * scale, rest))
}

/// How far local time is ahead of UTC.
fn read_offset(text: &str) -> Option<SignedDuration> {
    if text.eq_ignore_ascii_case("Z") {
        return Some(SignedDuration::ZERO);
    }
    let is_ahead = has_shape(text, b"+00:00");
    if !is_ahead && !has_shape(text, b"-00:00") {
        return None;
    }
    let (hours, minutes): (i64, i64) =
        (text.get(1..3)?.parse().ok()?, text.get(4..6)?.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = SignedDuration::from_mins(hours * 60 + minutes);
    Some(if is_ahead { offset } else { -offset })
}

/// A digit stands for any digit, and everything else for itself in either case.
fn has_shape(text: &str, shape: &[u8]) -> bool {
    let same = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        other => byte.eq_ignore_ascii_case(other),
    };
    text.len() == shape.len() && text.bytes().zip(shape).all(same)
}
