//! How many permits a semaphore has: the number is the data of its directory, as kazoo has it.

use zookeeper_client::{Client, CreateMode, Error};

use super::super::Failure;
use super::place::Ask;
use super::problem;
use super::rules::Number;
use super::view::View;

/// Sees to it that the semaphore has so many, if nobody who came before this one has or wants a permit; or if nobody has said a
/// number, where that is kept.
///
/// # Errors
///
/// [`Failure::Mismatch`] when there is another number.
pub(super) async fn agree(
    client: &Client,
    ask: &Ask,
    permits: u32,
    view: &View,
    number: &Number,
) -> Result<(), Failure> {
    let mut known = view.clone();
    loop {
        let is_used = ask.rules.taken(&known, Some(number)) > 0;
        let said = match &known.data {
            None => {
                let options = CreateMode::Persistent.with_acls(ask.core.options.acls());
                client.create(&ask.paths.directory, permits.to_string().as_bytes(), &options).await.map(drop)
            }
            Some((data, version)) => match check(ask, permits, data, is_used)? {
                Said::Agreed => return Ok(()),
                Said::Free => {
                    let data = permits.to_string();
                    client.set_data(&ask.paths.directory, data.as_bytes(), Some(*version)).await.map(drop)
                }
            },
        };
        match said {
            Ok(()) => return Ok(()),
            Err(Error::NodeExists | Error::BadVersion | Error::NoNode) => {}
            Err(error) => return Err(problem::failure(error)),
        }
        known = ask.view(client).await.map_err(problem::failure)?;
    }
}

/// What was said of the number.
pub(super) enum Said {
    Agreed,
    /// One may say another.
    Free,
}

/// What is no number is somebody else's, and says nothing.
pub(super) fn check(ask: &Ask, permits: u32, data: &[u8], is_used: bool) -> Result<Said, Failure> {
    match number(data) {
        Some(agreed) if agreed == permits => Ok(Said::Agreed),
        Some(agreed) if is_used || ask.core.options.keeps_permits => Err(Failure::Mismatch { agreed }),
        None if !data.is_empty() => Ok(Said::Agreed),
        _ => Ok(Said::Free),
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
    fn numbers_are_read_and_the_rest_is_not() {
        assert_eq!([number(b"2"), number(b" +2\n")], [Some(2); 2]);
        assert_eq!((number(b"-1"), number(b"9999999999")), (Some(0), Some(u32::MAX)));
        for other in [b"".as_slice(), b"a$", b"2x", b"\xff", b"99999999999999999999"] {
            assert_eq!(number(other), None);
        }
    }
}
