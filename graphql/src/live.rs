//! A subscription as its transport sees it: answers, one after the other, and how it ends. Who asks for the same under
//! the same rights gets the same answer, which was made once.

use crate::{
    errors::{classify, code_of},
    http::{GraphQl, Prepared},
};
use ::live::{Follow, Key, Told, Watched};
use async_graphql::{Request, Response, Value, parser::types::ExecutableDocument};
use axum::body::Bytes;
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use resolvers::change::live::{Asked, Delivery, Topic};
use schema::{Actor, Caller, Code, Error, Filters, LogId, Place, Planned, Reads, Result, Scope, Standing, standing};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{Sleep, sleep},
};
use tracing::Instrument;

/// What comes out of a subscription.
pub enum Out {
    /// A response, as JSON.
    Next(Bytes),
    /// It ended by itself.
    Complete,
    /// It is over; if the error is about the connection, so is that.
    Ended(Error),
}

/// What is asked, the same for everyone who asks it.
struct Shape {
    request: String,
    operation: Option<String>,
    variables: async_graphql::Variables,
    document: ExecutableDocument,
    planned: Planned,
    topic: Topic,
    digest: Key,
}

/// Who asks, as of now.
struct View {
    actor: Actor,
    standing: Standing,
    filters: Arc<Filters>,
    /// Of the shape, the rights and the filters: what is made for one is right for all with the same.
    key: Key,
}

pub struct Subscription {
    graphql: GraphQl,
    caller: Caller,
    shape: Arc<Shape>,
    view: View,
    follow: Follow,
    /// Taken from the log, and not answered yet.
    pending: Option<Arc<Told>>,
    watched: Option<Moves>,
    closing: watch::Receiver<bool>,
    token_ends: Pin<Box<Sleep>>,
    rights_may_end: Pin<Box<Sleep>>,
    over: bool,
}

enum Woke {
    Closing,
    Token,
    Rights,
    Moved,
    Told(Arc<Told>),
}

/// An operation that is waited for.
struct Moves {
    _held: Arc<Watched>,
    moves: watch::Receiver<u64>,
    last: Option<Bytes>,
    first: bool,
}

/// How long a place is tried again before the client is asked to come back.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer waits are made of these.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Until a time by the gateway's clock.
fn until(graphql: &GraphQl, at: Option<DateTime<Utc>>) -> Pin<Box<Sleep>> {
    let left = at.map(|at| (at - graphql.mount.gateway.clock.now()).to_std().unwrap_or_default());
    Box::pin(sleep(left.unwrap_or(LONGEST).min(LONGEST)))
}

impl Subscription {
    /// Finds out what is asked and whether it may be; a response says why not.
    pub async fn open(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Response> {
        let document = prepared.document.clone();
        Subscription::begin(graphql, caller, prepared).await.map_err(|refusal| match refusal {
            Refusal::Response(mut response) => {
                classify(&mut response, Some(&document));
                *response
            }
            Refusal::Error(error) => crate::errors::refused(error),
        })
    }

    async fn begin(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Refusal> {
        let gateway = &graphql.mount.gateway;
        let actor = caller.actor(gateway, Scope::Organization).await?;
        let log = LogId::of(&actor);
        // Followed before the rights are found, so that a change of them comes behind.
        let mut follow = Follow::from(&graphql.live, log, None).await?;
        let Asked { topic, after } = asked(graphql, &prepared).await?;
        let shape = Arc::new(Shape::new(prepared, topic));
        let shape = graphql.shapes.same(shape);
        let view = View::of(graphql, &caller, &shape).await?;
        if let Some(after) = after {
            let place = Place::parse(&after, "after", log, view.standing.rights)?;
            graphql.live.check(&place).await?;
            follow = Follow::from(&graphql.live, log, Some(place.position)).await?;
        }
        let watched = match shape.topic {
            Topic::Operation(id) => {
                let held = graphql.live.watch(view.actor.organization, id);
                Some(Moves { moves: held.moves(), _held: held, last: None, first: true })
            }
            _ => None,
        };
        let subscription = Subscription {
            token_ends: until(graphql, Some(caller.until)),
            rights_may_end: until(graphql, view.standing.until),
            closing: graphql.live.closing(),
            graphql: graphql.clone(),
            caller,
            shape,
            view,
            follow,
            pending: None,
            watched,
            over: false,
        };
        // Whether it is there to be seen is said at once.
        if subscription.watched.is_some() {
            let (response, _) = subscription.operation().await?;
            if !response.errors.is_empty() {
                return Err(Refusal::Response(Box::new(response)));
            }
        }
        Ok(subscription)
    }

    /// Where it stands.
    fn place(&self) -> Place {
        let position = match &self.pending {
            Some(told) => told.entry.position - 1,
            None => self.follow.position(),
        };
        Place { log: LogId::of(&self.view.actor), position, rights: self.view.standing.rights }
    }

    /// The next answer; None after the end. Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Option<Out> {
        if self.over {
            return None;
        }
        let out = self.wait().await.unwrap_or_else(Out::Ended);
        let out = match out {
            Out::Ended(error) if matches!(self.shape.topic, Topic::Operation(_)) => Out::Ended(error),
            // What was answered needs not be told again.
            Out::Ended(error) if error.code() != Code::CursorExpired => {
                Out::Ended(error.details(serde_json::json!({ "cursor": self.place().to_string() })))
            }
            out => out,
        };
        self.over = !matches!(out, Out::Next(_));
        Some(out)
    }

    async fn wait(&mut self) -> Result<Out> {
        loop {
            if self.pending.is_some() {
                if let Some(answer) = self.answer().await? {
                    return Ok(Out::Next(answer));
                }
                continue;
            }
            let first = self.watched.as_mut().is_some_and(|watched| std::mem::take(&mut watched.first));
            if first && let Some(out) = self.moved().await? {
                return Ok(out);
            }
            let moves = async {
                match &mut self.watched {
                    Some(watched) => drop(watched.moves.changed().await),
                    None => std::future::pending().await,
                }
            };
            let woke = tokio::select! {
                biased;
                () = ::live::closed(&mut self.closing) => Woke::Closing,
                () = &mut self.token_ends => Woke::Token,
                () = &mut self.rights_may_end => Woke::Rights,
                () = moves => Woke::Moved,
                told = self.follow.next() => Woke::Told(told?),
            };
            match woke {
                Woke::Closing => return Err(Error::new(Code::ShuttingDown)),
                Woke::Token if self.graphql.mount.gateway.clock.now() >= self.caller.until => {
                    return Err(Error::new(Code::TokenExpired));
                }
                Woke::Token => self.token_ends = until(&self.graphql, Some(self.caller.until)),
                Woke::Rights => self.look_again().await?,
                Woke::Moved => {
                    if let Some(out) = self.moved().await? {
                        return Ok(out);
                    }
                }
                Woke::Told(told) => self.pending = Some(told),
            }
        }
    }

    /// Answers what was taken from the log. Nothing, if it does not concern who asks.
    async fn answer(&mut self) -> Result<Option<Bytes>> {
        let Some(told) = self.pending.clone() else { return Ok(None) };
        let began = Instant::now();
        let mut pause = Duration::from_millis(20);
        let answer = loop {
            match self.tell(&told).await {
                Ok(answer) => break answer,
                Err(error) if error.code() == Code::Unavailable && began.elapsed() < PATIENCE => {
                    error.trace();
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => return Err(error),
            }
        };
        self.pending = None;
        Ok(answer)
    }

    async fn tell(&mut self, told: &Arc<Told>) -> Result<Option<Bytes>> {
        if self.view.moved_by(told) {
            self.look_again().await?;
        }
        if !self.shape.topic.concerns(&told.entry) {
            return Ok(None);
        }
        if self.graphql.mount.gateway.decide.policies().await? != self.view.policies() {
            self.look_again().await?;
        }
        let made = told.made(self.view.key, self.made(told)).await?;
        Ok(Option::clone(&made))
    }

    /// Makes the answer for everyone with this view.
    async fn made(&self, told: &Told) -> Result<Option<Bytes>> {
        let cursor = Place { log: LogId::of(&self.view.actor), position: told.entry.position, rights: self.view.standing.rights };
        let delivery = Delivery::Place { entry: told.entry.clone(), cursor: cursor.to_string() };
        match self.run(Arc::new(delivery)).await {
            None => Ok(None),
            Some(response) => bytes(&whole(response)?).map(Some),
        }
    }

    async fn operation(&self) -> Result<(Response, bool)> {
        let delivery = Arc::new(Delivery::Operation(Mutex::default()));
        let response = self.run(Arc::clone(&delivery)).await.unwrap_or_default();
        let ended = match &*delivery {
            Delivery::Operation(state) => {
                let state = *state.lock().unwrap_or_else(PoisonError::into_inner);
                state.is_some_and(|state| state.ended())
            }
            _ => false,
        };
        Ok((response, ended))
    }

    /// The operation as it is now, if that was not said yet; and its end.
    async fn moved(&mut self) -> Result<Option<Out>> {
        let began = Instant::now();
        loop {
            let (response, ended) = self.operation().await?;
            match whole(response).and_then(|response| bytes(&response)) {
                Ok(answer) => {
                    let Some(watched) = &mut self.watched else { return Ok(None) };
                    if watched.last.as_ref() == Some(&answer) {
                        return Ok(ended.then_some(Out::Complete));
                    }
                    watched.last = Some(answer.clone());
                    // Its end is found at the next look.
                    watched.first = ended;
                    return Ok(Some(Out::Next(answer)));
                }
                Err(error) if error.code() == Code::Unavailable && began.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn run(&self, delivery: Arc<Delivery>) -> Option<Response> {
        let gateway = &self.graphql.mount.gateway;
        let (actor, filters) = (self.view.actor.clone(), Arc::clone(&self.view.filters));
        let reads = Arc::new(Reads::prepared(gateway, self.caller, actor, filters, self.shape.planned.clone()));
        let request = self.shape.request().data(Arc::clone(gateway)).data(self.caller).data(Arc::clone(&reads)).data(delivery);
        let span = tracing::info_span!(
            "deliver",
            organization_id = %self.view.actor.organization,
            actor_id = %self.caller.principal,
            actor_kind = self.caller.kind.as_str(),
        );
        let response = self.graphql.schema.execute_stream(request).next().instrument(span).await;
        reads.close().await;
        response.map(|mut response| {
            classify(&mut response, Some(&self.shape.document));
            response
        })
    }

    /// Whether it may still see what it saw. Another sight is an end: what came into it, or left it, was not told.
    async fn look_again(&mut self) -> Result<()> {
        let view = match View::of(&self.graphql, &self.caller, &self.shape).await {
            Ok(view) => view,
            Err(Refusal::Error(error)) => {
                return Err(match error.code() {
                    Code::OrganizationNotFound | Code::GrantNotFound => Error::new(Code::AuthorityLost),
                    _ => error,
                });
            }
            Err(Refusal::Response(_)) => return Err(Error::internal("a view is no response")),
        };
        if view.standing.rights != self.view.standing.rights {
            return Err(schema::Expired::ScopeChanged.into());
        }
        self.rights_may_end = until(&self.graphql, view.standing.until);
        self.view = view;
        Ok(())
    }
}

/// A response that could be made as a whole, though fields of it may have failed.
fn whole(response: Response) -> Result<Response> {
    if response.data != Value::Null || response.errors.is_empty() {
        return Ok(response);
    }
    let code = response.errors.first().and_then(code_of);
    let known = Code::ALL.iter().find(|known| Some(known.as_str()) == code.as_deref());
    Err(Error::new(known.copied().unwrap_or(Code::Internal)))
}

fn bytes(response: &Response) -> Result<Bytes> {
    Ok(serde_json::to_vec(response)?.into())
}

pub enum Refusal {
    Error(Error),
    Response(Box<Response>),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Error(error)
    }
}

/// Runs the document to learn what it asks for.
async fn asked(graphql: &GraphQl, prepared: &Prepared) -> Result<Asked, Refusal> {
    let delivery = Arc::new(Delivery::Ask(Mutex::default()));
    let mut request = Request::new(prepared.query.clone()).variables(prepared.variables.clone());
    request.operation_name = prepared.operation.clone();
    let mut answers = graphql.schema.execute_stream(request.data(Arc::clone(&delivery)));
    // It answers only what is wrong.
    if let Some(response) = answers.next().await {
        return Err(Refusal::Response(Box::new(response)));
    }
    let Delivery::Ask(slot) = &*delivery else { return Err(Error::internal("an ask is an ask").into()) };
    let asked = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    asked.ok_or_else(|| Error::new(Code::GraphqlValidationFailed).message("A subscription has one field.").into())
}

/// What is wrong with a subscription's document, if anything is.
pub async fn wrong(graphql: &GraphQl, prepared: &Prepared) -> Option<Response> {
    match asked(graphql, prepared).await {
        Ok(_) => None,
        Err(Refusal::Error(error)) => Some(crate::errors::refused(error)),
        Err(Refusal::Response(mut response)) => {
            classify(&mut response, Some(&prepared.document));
            Some(*response)
        }
    }
}

impl Shape {
    fn new(prepared: Prepared, topic: Topic) -> Shape {
        let Prepared { query, operation, variables, document } = prepared;
        let mut hash = Sha256::new();
        hash.update(serde_json::json!([query, operation, variables]).to_string());
        let planned = crate::planned(&document);
        Shape { request: query, operation, variables, document, planned, topic, digest: hash.finalize().into() }
    }

    fn request(&self) -> Request {
        let mut request = Request::new(self.request.clone()).variables(self.variables.clone());
        request.operation_name = self.operation.clone();
        request.set_parsed_query(self.document.clone());
        request
    }
}

impl View {
    async fn of(graphql: &GraphQl, caller: &Caller, shape: &Shape) -> Result<View, Refusal> {
        let gateway = &graphql.mount.gateway;
        let actor = caller.actor(gateway, Scope::Organization).await?;
        let standing = standing(gateway, &actor).await?;
        let filters = shape.planned.filters(&*gateway.decide, &actor).await?;
        let mut named: Vec<_> = filters.iter().collect();
        named.sort_by_key(|(kind, _)| **kind);
        let mut hash = Sha256::new();
        hash.update(shape.digest);
        hash.update(standing.rights.0.to_be_bytes());
        hash.update(format!("{named:?}"));
        let key = hash.finalize().into();
        // Equal conditions are kept once, however many hold them.
        let filters = graphql.shapes.same_filters(key, filters);
        Ok(View { actor, standing, filters, key })
    }

    fn policies(&self) -> &str {
        &self.standing.policies
    }

    /// Whether what happened may change what this one sees.
    fn moved_by(&self, told: &Told) -> bool {
        let entities::feed::What::Event(event) = &told.entry.what else { return false };
        let rights = ["membership", "delegation", "access_grant", "organization"];
        let own = told.entry.source == self.actor.owner() || told.entry.source == self.actor.organization;
        own && (rights.contains(&event.resource_kind.as_str()) || (self.actor.delegated && event.resource_kind == "portfolio"))
    }
}

/// What many hold alike, kept once.
#[derive(Clone, Default)]
pub struct Shapes(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    shapes: HashMap<Key, Weak<Shape>>,
    filters: HashMap<Key, Weak<Filters>>,
}

impl Shapes {
    fn same(&self, shape: Arc<Shape>) -> Arc<Shape> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        same(&mut kept.shapes, shape.digest, || shape)
    }

    fn same_filters(&self, key: Key, filters: Filters) -> Arc<Filters> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        same(&mut kept.filters, key, || Arc::new(filters))
    }
}

fn same<T>(kept: &mut HashMap<Key, Weak<T>>, key: Key, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
    if let Some(known) = kept.get(&key).and_then(Weak::upgrade) {
        return known;
    }
    if kept.len() > 64 && kept.len().is_power_of_two() {
        kept.retain(|_, held| held.strong_count() > 0);
    }
    let made = make();
    kept.insert(key, Arc::downgrade(&made));
    made
}
