//! The rights of subscribers, found once for all subscriptions of one principal that ask at the same time.

use crate::seats::{Seat, Seats};
use schema::{
    AccessGrantId, Actor, Caller, Code, Error, Gateway, OrganizationId, PrincipalId, Result, Turns, Visibility, Whose, visibility,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

/// The most subscriptions of one principal in one organization, in this process.
const MOST: usize = 1_000;

type Who = (PrincipalId, Option<OrganizationId>, Option<AccessGrantId>);
type Found = Result<(Actor, Visibility), Arc<Error>>;

pub struct Looks {
    who: Mutex<HashMap<Who, Weak<Look>>>,
    seats: Seats<Who>,
    turns: Turns,
}

/// The latest look at the rights of one principal in one organization.
pub struct Look {
    /// The time at which the look began, and its result.
    last: tokio::sync::Mutex<Option<(Instant, Found)>>,
}

impl Looks {
    pub fn new(many: usize) -> Looks {
        Looks { who: Mutex::default(), seats: Seats::new(MOST), turns: Turns::new(many, MOST) }
    }

    /// Takes a place for one more subscription, if one is left.
    pub fn sit(&self, caller: &Caller) -> Result<(Arc<Look>, Seat)> {
        let who = (caller.principal, caller.organization, caller.grant);
        let mut all = self.who.lock().unwrap_or_else(PoisonError::into_inner);
        let look = all.get(&who).and_then(Weak::upgrade).unwrap_or_else(|| {
            if all.len() >= 64 && all.len().is_power_of_two() {
                all.retain(|_, held| held.strong_count() > 0);
            }
            let look = Arc::new(Look { last: tokio::sync::Mutex::default() });
            all.insert(who, Arc::downgrade(&look));
            look
        });
        let full = || Error::new(Code::TOO_MANY_SUBSCRIPTIONS).details(serde_json::json!({ "limit": MOST }));
        Ok((look, self.seats.sit(who).ok_or_else(full)?))
    }

    /// The rights at this moment or later. Callers run this in a task of their own, since it holds up later callers.
    pub async fn since(
        &self,
        moment: Instant,
        gateway: &Arc<Gateway>,
        caller: &Caller,
        look: &Look,
    ) -> Result<(Actor, Visibility)> {
        let mut last = look.last.lock().await;
        if last.as_ref().is_none_or(|(began, _)| *began < moment) {
            let organization = caller.organization.ok_or_else(|| Error::new(Code::ORGANIZATION_REQUIRED))?;
            let whose = Whose { tenant: organization.0, person: caller.principal.0 };
            let _turn = self.turns.take(whose, 1).await.map_err(|_| Error::unavailable("too many rights are looked at"))?;
            let began = Instant::now();
            let found = async {
                let actor = caller.actor_now(gateway).await?;
                let visibility = visibility(gateway, &actor).await?;
                Ok::<_, Error>((actor, visibility))
            };
            *last = Some((began, found.await.map_err(Arc::new)));
        }
        match &*last {
            Some((_, Ok((actor, visibility)))) => Ok((actor.clone(), visibility.clone())),
            Some((_, Err(error))) => Err(error.again()),
            None => Err(Error::internal("the look above left no result")),
        }
    }
}
