//! Durations of the command line.

use std::time::Duration;

/// `7d`, `1h 30m`, `500ms`; a number alone means seconds, as with flock(1), and may have a fraction.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().map(Duration::try_from_secs_f64);
    let parsed = match seconds {
        Some(seconds) => seconds.map_err(|error| error.to_string()),
        None => humantime::parse_duration(text).map_err(|error| error.to_string()),
    };
    parsed.map_err(|why| format!("{why}; write it as 30s, 5m, 1h or 7d, or as a number of seconds"))
}

/// The same, and more than none.
pub(crate) fn parse_some(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it would be over at once; write it as 30s, 5m, 1h or 7d".to_owned()),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_means_seconds() {
        for (text, millis) in [
            ("90", 90_000),
            ("0", 0),
            ("1.5", 1500),
            (".007", 7),
            ("500ms", 500),
            ("2min", 120_000),
            ("1h 1s", 3_601_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "NaN", "inf", "1e99", "7 apples", "d"] {
            let why = parse(text).expect_err(text);
            assert!(why.ends_with("or as a number of seconds"), "{why}");
        }
        assert!(parse_some("0s").is_err() && parse_some("1ms") == Ok(Duration::from_millis(1)));
    }
}
