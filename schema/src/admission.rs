//! The admission of a request: what it costs is paid for, and it waits for its turn among others.

use crate::{Caller, Carried, Code, Error, Gateway, REQUEST, Result};
use std::time::Duration;
use store::{Turn, Whose};

/// A request that was let in.
#[derive(Debug, Clone, Copy)]
pub struct Admitted {
    whose: Whose,
    weight: u32,
}

/// The rows of a read that count as one more turn.
const HEAVY: u64 = 2_000;

/// The bytes of an answer for which there is always room.
const SMALL: usize = 64 * 1_024;

/// The time for which a refusal is held back. Far less than the wait that it asks for.
const MOMENT: Duration = Duration::from_millis(250);

/// Holds a refusal back for a moment: whoever asks again at once, without end, waits for most of the time.
pub async fn slowly(refusal: Error) -> Error {
    tokio::time::sleep(MOMENT).await;
    refusal
}

impl Gateway {
    /// Pays for a request of this price, or refuses it for a while.
    pub async fn admit(&self, caller: &Caller, price: u64) -> Result<Admitted> {
        match self.paid(caller, price).await {
            Ok(admitted) => Ok(admitted),
            Err(error) => Err(slowly(error).await),
        }
    }

    async fn paid(&self, caller: &Caller, price: u64) -> Result<Admitted> {
        self.rates.person(caller)?;
        // Whoever names an organization without a right to it spends nothing of that organization's.
        let member = match caller.organization {
            Some(organization) => {
                let attributes =
                    vec![("actor_id", caller.principal.to_string()), ("actor_kind", caller.kind.as_str().to_owned())];
                let known = self.identity.recent(caller.principal, organization, caller.grant);
                Carried::with(attributes, known).await.is_ok()
            }
            None => false,
        };
        let organization = caller.organization.filter(|_| member);
        self.rates.caller(caller, organization, price.saturating_sub(REQUEST))?;
        let tenant = organization.map_or(caller.principal.0, |organization| organization.0);
        let weight = u32::try_from(1 + price / HEAVY).unwrap_or(u32::MAX);
        Ok(Admitted { whose: Whose { tenant, person: caller.principal.0 }, weight })
    }

    /// Waits for room for an answer, which lies in memory until its client has taken it. A small one needs none.
    pub async fn room(&self, caller: &Caller, bytes: usize) -> Result<Option<Turn>> {
        if bytes < SMALL {
            return Ok(None);
        }
        let tenant = caller.organization.map_or(caller.principal.0, |organization| organization.0);
        let whose = Whose { tenant, person: caller.principal.0 };
        let weight = u32::try_from(bytes / 1_024).unwrap_or(u32::MAX);
        match tokio::time::timeout(self.limits.time / 2, self.answers.take(whose, weight)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            _ => Err(slowly(Error::new(Code::RATE_LIMITED).retry_after(Duration::from_secs(1))).await),
        }
    }

    /// Waits for the turn of a read.
    pub async fn turn(&self, admitted: Admitted) -> Result<Turn> {
        let crowded = |_| Error::new(Code::RATE_LIMITED).retry_after(Duration::from_secs(1));
        match self.turns.take(admitted.whose, admitted.weight).await {
            Ok(turn) => Ok(turn),
            Err(full) => Err(slowly(crowded(full)).await),
        }
    }
}
