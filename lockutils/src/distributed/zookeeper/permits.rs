//! How many permits a semaphore has: the number is the data of its directory, as kazoo has it.

use zookeeper_client::{Client, CreateMode, Error};

use super::super::Failure;
use super::place::Ask;
use super::problem;

/// Sees to it that the semaphore has so many, if nobody has said a number before.
///
/// # Errors
///
/// [`Failure::Mismatch`] when somebody has said another.
pub(super) async fn agree(
    client: &Client,
    ask: &Ask,
    permits: u32,
    data: Option<(Vec<u8>, i32)>,
) -> Result<(), Failure> {
    let mut known = data;
    loop {
        let (path, text) = (&ask.paths.directory, permits.to_string());
        let said = match &known {
            None => {
                let options = CreateMode::Persistent.with_acls(ask.core.options.acls());
                client.create(path, text.as_bytes(), &options).await.map(drop)
            }
            Some((data, version)) if data.is_empty() => {
                client.set_data(path, text.as_bytes(), Some(*version)).await.map(drop)
            }
            Some((data, _)) => return check(permits, data),
        };
        match said {
            Ok(()) => return Ok(()),
            Err(Error::NodeExists | Error::BadVersion | Error::NoNode) => {}
            Err(error) => return Err(problem::failure(error)),
        }
        known = match client.get_data(path).await {
            Ok((data, stat)) => Some((data, stat.version)),
            Err(Error::NoNode) => None,
            Err(error) => return Err(problem::failure(error)),
        };
    }
}

/// What is no number is somebody else's, and says nothing.
pub(super) fn check(permits: u32, data: &[u8]) -> Result<(), Failure> {
    match number(data) {
        Some(agreed) if agreed != permits => Err(Failure::Mismatch { agreed }),
        _ => Ok(()),
    }
}

/// The number of permits that is written there.
pub(super) fn number(data: &[u8]) -> Option<u32> {
    let number: i64 = std::str::from_utf8(data).ok()?.trim().parse().ok()?;
    Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_and_the_rest_is_not() {
        assert!(check(2, b"2").is_ok() && check(2, b" +2\n").is_ok());
        assert!(matches!(check(2, b"3"), Err(Failure::Mismatch { agreed: 3 })));
        assert!(matches!(check(2, b"-1"), Err(Failure::Mismatch { agreed: 0 })));
        for other in [b"".as_slice(), b"a$", b"2x", b"\xff", b"99999999999999999999"] {
            assert!(check(2, other).is_ok());
        }
    }
}
