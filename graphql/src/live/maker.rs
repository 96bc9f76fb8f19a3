//! Answers to subscribers, made once for all who have the same view.

use super::shapes::Shape;
use crate::{
    errors::{classify, code_of, refused},
    looks::Look,
    mount::{GraphQl, too_large},
};
use ::live::{Answer, Key};
use async_graphql::Response;
use axum::body::Bytes;
use chrono::{DateTime, Utc};
use entities::feed::Entry;
use futures_util::StreamExt;
use resolvers::change::live::Delivery;
use schema::{Actor, Caller, Code, Error, Filters, LogId, LogPosition, Reads, Result, Turn, Turns, Visibility, Whose};
use sha2::{Digest, Sha256};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::time::{Sleep, sleep};
use tracing::Instrument;

/// The rights of a subscriber at a moment: the actor, and the filters of visible rows.
pub struct View {
    pub actor: Actor,
    pub visibility: Visibility,
    filters: Arc<Filters>,
    /// A hash of the shape, the rights and the filters. An answer for one view is right for every view with this key.
    pub key: Key,
    pub since: Instant,
}

/// The parts that a subscriber's answers are made from. An answer is made in a task of its own, so that nobody who waits for it
/// depends on whether somebody else reads. Only some are made at a time, so that requests find connections.
#[derive(Clone)]
pub struct Maker {
    pub graphql: GraphQl,
    pub caller: Caller,
    pub look: Arc<Look>,
    pub shape: Arc<Shape>,
}

/// The longest wait without a look at the clock, since clocks are set and machines sleep.
const LONGEST: Duration = Duration::from_secs(60);

impl Maker {
    pub fn now(&self) -> DateTime<Utc> {
        self.graphql.mount.gateway.clock.now()
    }

    /// A wait until a time by the gateway's clock.
    pub fn until(&self, at: Option<DateTime<Utc>>) -> Pin<Box<Sleep>> {
        let left = at.map(|at| (at - self.now()).to_std().unwrap_or_default());
        Box::pin(sleep(left.unwrap_or(LONGEST).min(LONGEST)))
    }

    /// The view at this moment or later, found in a task of its own, since others wait for it as well.
    pub async fn view(&self, moment: Instant) -> Result<View> {
        let maker = self.clone();
        let task = async move {
            let looks = &maker.graphql.looks;
            let (actor, visibility) = looks.since(moment, &maker.graphql.mount.gateway, &maker.caller, &maker.look).await?;
            View::of(&maker, actor, visibility, moment).await
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }

    /// The answer for an entry of the log, for everyone with this view.
    pub async fn place(self, view: Arc<View>, entry: Arc<Entry>) -> Result<Answer> {
        let place = LogPosition { log: LogId::of(&view.actor), position: entry.position, rights: view.visibility.rights };
        let delivery = Delivery::Place { entry: Entry::clone(&entry), cursor: place.to_string() };
        let _turn = turn(&self.graphql.turns, &view.actor).await?;
        match self.run(&view, Arc::new(delivery)).await {
            None => Ok(None),
            Some(response) => bytes(&whole(response)?).map(Some),
        }
    }

    /// The response about the watched operation, and whether the operation ended.
    pub async fn operation(&self, view: &Arc<View>) -> Result<(Response, bool)> {
        let (maker, view) = (self.clone(), Arc::clone(view));
        let task = async move {
            let _turn = turn(&maker.graphql.turns, &view.actor).await?;
            let delivery = Arc::new(Delivery::Operation(Mutex::default()));
            let response = maker.run(&view, Arc::clone(&delivery)).await.unwrap_or_default();
            let Delivery::Operation(state) = &*delivery else { return Ok((response, false)) };
            let state = *state.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((response, state.is_some_and(|state| state.ended())))
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }

    pub async fn state(&self, view: &Arc<View>) -> Result<(Bytes, bool)> {
        let (response, ended) = self.operation(view).await?;
        Ok((bytes(&whole(response)?)?, ended))
    }

    async fn run(&self, view: &View, delivery: Arc<Delivery>) -> Option<Response> {
        let gateway = &self.graphql.mount.gateway;
        let (actor, filters) = (view.actor.clone(), Arc::clone(&view.filters));
        let reads = Arc::new(Reads::prepared(gateway, self.caller, actor, filters, self.shape.document.planned.clone()));
        let request = self.shape.request().data(Arc::clone(gateway)).data(self.caller).data(Arc::clone(&reads)).data(delivery);
        let span = tracing::info_span!(
            "deliver",
            organization_id = %view.actor.organization,
            actor_id = %self.caller.principal,
            actor_kind = self.caller.kind.as_str(),
        );
        // The document was found valid with the same variables when the subscription began.
        let response = self.graphql.proven.execute_stream(request).next().instrument(span).await;
        reads.close().await;
        response.map(|mut response| {
            if too_large(&reads, &response) {
                return refused(Error::new(Code::ANSWER_TOO_LARGE));
            }
            classify(&mut response, Some(&self.shape.document.tree));
            response
        })
    }
}

impl View {
    async fn of(Maker { graphql, shape, .. }: &Maker, actor: Actor, visibility: Visibility, since: Instant) -> Result<View> {
        let filters = shape.document.planned.filters(&*graphql.mount.gateway.decide, &actor).await?;
        let seen = filters.identity();
        let filters = graphql.shapes.filters(seen, filters);
        let key = Sha256::new_with_prefix(shape.digest).chain_update(visibility.rights.0.to_be_bytes()).chain_update(seen);
        Ok(View { actor, visibility, filters, key: key.finalize().into(), since })
    }
}

/// Waits for the turn of an organization's subscribers.
pub async fn turn(turns: &Turns, actor: &Actor) -> Result<Turn> {
    let whose = Whose { tenant: actor.organization.0, person: actor.principal.0 };
    turns.take(whose, 1).await.map_err(|_| Error::unavailable("too many subscribers wait for an answer"))
}

/// A response, unless it is to be tried again. Any other failure is an answer as well, since another try would fail alike.
fn whole(response: Response) -> Result<Response> {
    if response.errors.iter().filter_map(code_of).any(|code| code == Code::UNAVAILABLE.as_str()) {
        return Err(Error::unavailable("an answer could not be made"));
    }
    Ok(response)
}

fn bytes(response: &Response) -> Result<Bytes> {
    Ok(serde_json::to_vec(response)?.into())
}
