//! People who are blocked, and tokens that were taken back, by an administrator of the deployment. Every replica looks at each
//! heartbeat, and ends what streams to them.

use crate::{Caller, Code, Error, PrincipalId, Result};
use sha2::{Digest, Sha256};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::watch;
use uuid::Uuid;

/// All that is denied at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denials {
    pub principals: HashSet<Uuid>,
    /// Ids of tokens, by their hashes.
    pub tokens: HashSet<u64>,
}

/// A short hash that is the same on all replicas: of a token's id, or of a client's name.
pub fn short_hash(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    u64::from_be_bytes(std::array::from_fn(|at| digest[at]))
}

#[derive(Default)]
pub struct Denied(watch::Sender<Arc<Denials>>);

impl Denied {
    /// Takes what is denied now. Nobody is woken if nothing changed.
    pub fn now(&self, denials: Denials) {
        self.0.send_if_modified(|known| {
            let changed = **known != denials;
            if changed {
                *known = Arc::new(denials);
            }
            changed
        });
    }

    pub fn watch(&self) -> watch::Receiver<Arc<Denials>> {
        self.0.subscribe()
    }

    /// Refuses a principal who is blocked, and a token that was taken back.
    pub fn ensure(&self, principal: PrincipalId, token: Option<u64>) -> Result<()> {
        let denials = self.0.borrow();
        if denials.principals.contains(&principal.0) {
            return Err(Error::new(Code::PRINCIPAL_BLOCKED));
        }
        if token.is_some_and(|token| denials.tokens.contains(&token)) {
            return Err(Error::new(Code::TOKEN_INVALID).message("The token was taken back."));
        }
        Ok(())
    }

    pub fn ensure_caller(&self, caller: &Caller) -> Result<()> {
        self.ensure(caller.principal, caller.token)
    }
}
