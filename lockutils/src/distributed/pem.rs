//! Files of certificates.

use super::BackendUrl;
use super::open::wrong;
use crate::error::Error;

/// That what stands in the file of this key has a certificate in it: with a key, say, nobody would be trusted.
pub(super) fn has_certificate(url: &BackendUrl, key: &str, pem: &[u8]) -> Result<(), Error> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
        return Ok(());
    }
    let path = url.value(key).unwrap_or_default();
    Err(wrong(format!(
        "its key `{key}`: {path} has no certificate in it, which begins with `-----BEGIN CERTIFICATE-----`"
    )))
}
