//! Who someone is and may be, found once for all their subscriptions that want to know it at the same time.

use crate::turns::Turns;
use schema::{AccessGrantId, Actor, Caller, Code, Error, Gateway, OrganizationId, PrincipalId, Result, Standing, standing};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

/// So many subscriptions someone has in one organization, in this process.
const MOST: usize = 1_000;

type Who = (PrincipalId, Option<OrganizationId>, Option<AccessGrantId>);
type Found = Result<(Actor, Standing), Arc<Error>>;

pub struct Looks {
    who: Mutex<HashMap<Who, Weak<Look>>>,
    turns: Turns,
}

/// One principal's, for one organization.
pub struct Look {
    /// When it began, and what was found.
    last: tokio::sync::Mutex<Option<(Instant, Found)>>,
    seats: Arc<()>,
}

/// Held by a subscription.
pub struct Seat(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Looks {
    pub fn new(many: usize) -> Looks {
        Looks { who: Mutex::default(), turns: Turns::new(many) }
    }

    /// A place for one more subscription, if there is one.
    pub fn sit(&self, caller: &Caller) -> Result<(Arc<Look>, Seat)> {
        let who = (caller.principal, caller.organization, caller.grant);
        let mut all = self.who.lock().unwrap_or_else(PoisonError::into_inner);
        let look = all.get(&who).and_then(Weak::upgrade).unwrap_or_else(|| {
            if all.len() >= 64 && all.len().is_power_of_two() {
                all.retain(|_, held| held.strong_count() > 0);
            }
            let look = Arc::new(Look { last: tokio::sync::Mutex::default(), seats: Arc::default() });
            all.insert(who, Arc::downgrade(&look));
            look
        });
        if Arc::strong_count(&look.seats) > MOST {
            return Err(Error::new(Code::TOO_MANY_SUBSCRIPTIONS).details(serde_json::json!({ "limit": MOST })));
        }
        let seat = Seat(Arc::clone(&look.seats));
        Ok((look, seat))
    }

    /// As it is at this moment or later. To be run in a task of its own: it holds up those who ask after it.
    pub async fn since(
        &self,
        moment: Instant,
        gateway: &Arc<Gateway>,
        caller: &Caller,
        look: &Look,
    ) -> Result<(Actor, Standing)> {
        let mut last = look.last.lock().await;
        if last.as_ref().is_none_or(|(began, _)| *began < moment) {
            let organization = caller.organization.ok_or_else(|| Error::new(Code::ORGANIZATION_REQUIRED))?;
            let _turn = self.turns.take(organization).await?;
            let began = Instant::now();
            let found = async {
                let actor = caller.actor_now(gateway).await?;
                let standing = standing(gateway, &actor).await?;
                Ok::<_, Error>((actor, standing))
            };
            *last = Some((began, found.await.map_err(Arc::new)));
        }
        match &*last {
            Some((_, Ok((actor, standing)))) => Ok((actor.clone(), standing.clone())),
            Some((_, Err(error))) => Err(error.again()),
            None => Err(Error::internal("it was found above")),
        }
    }
}
