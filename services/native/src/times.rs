//! RFC 3339 texts to whole milliseconds since 1970 UTC, and back. The twin of `services/events/times.py`.

use crate::rules::HOUR_MS;

const DAY_MS: i64 = 24 * HOUR_MS;
/// 0001-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
const FIRST_MS: i64 = -62_135_596_800_000;
const LAST_MS: i64 = 253_402_300_799_999;

/// E3: milliseconds since 1970 UTC of `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)`.
pub fn parse_ms(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)?.iter().try_fold(0, |all, byte| byte.is_ascii_digit().then(|| all * 10 + (byte - b'0') as i64))
    };
    let mark = |at: usize| text.get(at).copied();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marked = mark(4)? == b'-' && mark(7)? == b'-' && matches!(mark(10)?, b'T' | b't') && mark(13)? == b':' && mark(16)? == b':';
    if !marked || year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut at = 19;
    let mut milli = 0;
    if mark(at)? == b'.' {
        let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for place in 0..3 {
            milli = milli * 10 + if place < digits { (text[at + 1 + place] - b'0') as i64 } else { 0 };
        }
        at += 1 + digits;
    }
    let offset_minutes = match mark(at)? {
        b'Z' | b'z' if text.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == at + 6 && mark(at + 3) == Some(b':') => {
            let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            if sign == b'-' {
                -(hours * 60 + minutes)
            } else {
                hours * 60 + minutes
            }
        }
        _ => return None,
    };
    let seconds = ((days_to(year, month, day) * 24 + hour) * 60 + minute - offset_minutes) * 60 + second;
    Some(seconds * 1000 + milli)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01; years that begin on 1 March make leap days fall at their end.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// RFC 3339 in UTC with milliseconds; what lies outside the years 0001-9999 is written as their first or last millisecond.
pub fn format_ms(instant_ms: i64) -> [u8; 24] {
    let instant_ms = instant_ms.clamp(FIRST_MS, LAST_MS);
    let (year, month, day) = civil(instant_ms.div_euclid(DAY_MS));
    let of_day = instant_ms.rem_euclid(DAY_MS);
    let mut out = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, of_day / HOUR_MS),
        (14, 2, of_day / 60_000 % 60),
        (17, 2, of_day / 1000 % 60),
        (20, 3, of_day % 1000),
    ];
    for (at, width, value) in fields {
        let mut rest = value;
        for place in (at..at + width).rev() {
            out[place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out
}

/// (year, month, day) of a day counted from 1970-01-01, in the Gregorian calendar. Eras of 400 years that begin on 1 March make leap days fall at their end.
fn civil(days: i64) -> (i64, i64, i64) {
    let from_era = days + 719_468;
    let era = from_era.div_euclid(146_097);
    let day_of_era = from_era.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}
