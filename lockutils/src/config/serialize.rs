//! Durations and modes as people write them in configuration files.

/// A duration: a number of seconds, or a text such as `"30s"`, `"500ms"`, `"2m"`, `"1h"`.
pub(super) mod duration {
    use std::fmt;
    use std::time::Duration;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) if value.subsec_nanos() == 0 => to.serialize_str(&format!("{}s", value.as_secs())),
            Some(value) => {
                let text = format!("{}.{:09}", value.as_secs(), value.subsec_nanos());
                to.serialize_str(&format!("{}s", text.trim_end_matches('0')))
            }
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        from.deserialize_any(Written)
    }

    struct Written;

    impl Visitor<'_> for Written {
        type Value = Option<Duration>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds or a text such as \"30s\", \"500ms\", \"2m\" or \"1h\"")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: Error>(self, seconds: u64) -> Result<Self::Value, E> {
            Ok(Some(Duration::from_secs(seconds)))
        }

        fn visit_i64<E: Error>(self, seconds: i64) -> Result<Self::Value, E> {
            u64::try_from(seconds)
                .map_err(|_| E::custom("a limit is not negative"))
                .and_then(|s| self.visit_u64(s))
        }

        fn visit_f64<E: Error>(self, seconds: f64) -> Result<Self::Value, E> {
            Duration::try_from_secs_f64(seconds).map(Some).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            parse(text).map(Some).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    fn parse(text: &str) -> Option<Duration> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit: u128 = match unit.trim() {
            "ms" => 1_000_000,
            "s" | "" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let whole = if whole.is_empty() && !part.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        let nanos = u128::from(whole) * unit + fraction(part, unit)?;
        let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
        Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
    }

    /// The digits behind the point, of this unit.
    fn fraction(digits: &str, unit: u128) -> Option<u128> {
        if digits.is_empty() {
            return Some(0);
        }
        let digits = &digits[..digits.len().min(18)];
        let value = digits.parse::<u64>().ok()?;
        Some(u128::from(value) * unit / 10_u128.pow(u32::try_from(digits.len()).ok()?))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn durations_are_read_as_people_write_them() {
            let millis = |text| parse(text).map(|limit| limit.as_millis());
            assert_eq!(millis("30s"), Some(30_000));
            assert_eq!(millis("500ms"), Some(500));
            assert_eq!(millis("2 m"), Some(120_000));
            assert_eq!(millis("1.5"), Some(1_500));
            assert_eq!(millis("1h"), Some(3_600_000));
            for wrong in ["", "s", "-1s", "1d", "1.2.3s", "NaN"] {
                assert_eq!(millis(wrong), None, "{wrong}");
            }
        }
    }
}

/// A mode: a text of octal digits such as `"0660"`, or a number (TOML has `0o660`).
pub(super) mod mode {
    use std::fmt;

    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(value: &Option<u32>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(mode) => to.serialize_str(&format!("{mode:04o}")),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
        from.deserialize_any(Written)
    }

    struct Written;

    impl Visitor<'_> for Written {
        type Value = Option<u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mode in octal digits such as \"0660\"")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_u64<E: Error>(self, mode: u64) -> Result<Self::Value, E> {
            u32::try_from(mode).map(Some).map_err(E::custom)
        }

        fn visit_i64<E: Error>(self, mode: i64) -> Result<Self::Value, E> {
            u32::try_from(mode).map(Some).map_err(E::custom)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let digits = text.strip_prefix("0o").unwrap_or(text);
            u32::from_str_radix(digits, 8)
                .map(Some)
                .map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
}

/// As it was written: whoever serialises a configuration has to keep it as secret as it is.
impl serde::Serialize for crate::distributed::BackendUrl {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_written())
    }
}

impl<'de> serde::Deserialize<'de> for crate::distributed::BackendUrl {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
