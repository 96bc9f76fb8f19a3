//! Fingerprints of requests, which tell whether two requests with one key ask the same. They are keyed, so that a short input
//! cannot be guessed from its stored fingerprint.

use crate::{AccessGrantId, Result};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

#[derive(Clone)]
pub struct FingerprintKey(Vec<u8>);

impl FingerprintKey {
    pub fn new(secret: &[u8]) -> Self {
        FingerprintKey(secret.to_vec())
    }

    /// HMAC-SHA256 over the procedure, the grant that it was asked through, if any, and the parsed input
    /// as canonical JSON (RFC 8785).
    pub fn of<T: Serialize>(&self, procedure: &str, grant: Option<AccessGrantId>, input: &T) -> Result<Vec<u8>> {
        let canonical = serde_json_canonicalizer::to_vec(input)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(crate::Error::internal)?;
        mac.update(procedure.as_bytes());
        mac.update(&[0]);
        if let Some(grant) = grant {
            mac.update(grant.0.as_bytes());
            mac.update(&[0]);
        }
        mac.update(&canonical);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}
