//! The constants of billing, in milliseconds (SPEC §4-§6). The twin of `services/meters/rules.py`.

pub const HOUR_MS: i64 = 3_600_000;
pub const QUARTER_MS: i64 = 900_000;
pub const SLEEP_HOURS_MAX: i64 = 49;
pub const FOREVER_MS: i64 = 1 << 62;

#[derive(Clone, Copy)]
pub struct Rules {
    pub silence_max_ms: i64,
    pub end_grace_ms: i64,
    pub human_timeout_ms: i64,
    pub call_max_ms: i64,
    pub lateness_ms: i64,
}

/// How many quarters of the bot clock hold `clock`: a quarter's end belongs to it (U6).
pub fn quarters(clock: i64) -> i64 {
    -((-clock).div_euclid(QUARTER_MS))
}
