//! A subscription as its transport sees it: answers, one after the other, and how it ends. Who asks for the same under
//! the same rights gets the same answer, which was made once.

use crate::{
    documents::Document,
    errors::{classify, code_of},
    http::{GraphQl, Prepared},
    looks::{Look, Seat},
};
use ::live::{Answer, Follow, Key, Log, Marks, Watched};
use async_graphql::{
    Request, Response,
    parser::types::{ExecutableDocument, Selection},
};
use axum::body::Bytes;
use chrono::{DateTime, Utc};
use entities::feed::{Entry, What};
use futures_util::{StreamExt, future::select_all};
use resolvers::change::{
    live::{Asked, Delivery},
    topic::Topic,
};
use schema::{Actor, Caller, Code, Error, Filters, LogId, Place, Reads, Result, Standing};
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
    document: Arc<Document>,
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
    since: Instant,
}

/// What an answer is made of. It is made in a task of its own, so that nobody who waits for the same one depends on
/// whether somebody else reads; and only so many at a time, so that requests find connections.
#[derive(Clone)]
struct Maker {
    graphql: GraphQl,
    caller: Caller,
    look: Arc<Look>,
    shape: Arc<Shape>,
}

pub struct Subscription {
    maker: Maker,
    _seat: Seat,
    view: Arc<View>,
    follow: Follow,
    /// Where it is told of what decides who sees what: in the log that is followed, and in that of who acts.
    rights: Vec<Rights>,
    /// Taken from the log, and not answered yet.
    pending: Option<Arc<Entry>>,
    watched: Option<Moves>,
    closing: watch::Receiver<bool>,
    token_ends: Pin<Box<Sleep>>,
    rights_may_end: Pin<Box<Sleep>>,
    over: bool,
}

/// A log that may tell of other rights, and up to where that was looked at.
struct Rights {
    id: LogId,
    _held: Arc<Log>,
    marks: watch::Receiver<Marks>,
    seen: Marks,
}

enum Woke {
    Closing,
    Token,
    Term,
    Rights,
    Moved,
    Told(Arc<Entry>),
}

/// An operation that is waited for.
struct Moves {
    _held: Arc<Watched>,
    moves: watch::Receiver<u64>,
    last: Option<Bytes>,
    /// It is to be looked at: it may have moved.
    due: bool,
}

/// How long a place is tried again before the client is asked to come back.
const PATIENCE: Duration = Duration::from_secs(10);
/// Clocks are set, and machines sleep: no wait is longer than this without a look at the clock.
const LONGEST: Duration = Duration::from_secs(60);
/// What policies say of someone is asked again after this, as for lists.
const LIFE: Duration = Duration::from_secs(30);
/// A subscription's document is kept as long as it lasts.
const DOCUMENT: usize = 16 * 1024;

/// Tries again what is unavailable, for a while.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    async fn again(&mut self, error: Error) -> Result<()> {
        if error.code() != Code::UNAVAILABLE || Instant::now() >= self.until {
            return Err(error);
        }
        error.trace();
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_secs(1));
        Ok(())
    }
}

macro_rules! patiently {
    ($work:expr) => {{
        let mut patience = Patience { until: Instant::now() + PATIENCE, pause: Duration::from_millis(20) };
        loop {
            match $work {
                Ok(done) => break Ok(done),
                Err(error) => {
                    if let Err(error) = patience.again(error).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}

impl Maker {
    fn now(&self) -> DateTime<Utc> {
        self.graphql.mount.gateway.clock.now()
    }

    /// Until a time by the gateway's clock.
    fn until(&self, at: Option<DateTime<Utc>>) -> Pin<Box<Sleep>> {
        let left = at.map(|at| (at - self.now()).to_std().unwrap_or_default());
        Box::pin(sleep(left.unwrap_or(LONGEST).min(LONGEST)))
    }

    /// Who asks, and what they may see, at this moment or later. In a task of its own: others wait for it as well.
    async fn view(&self, moment: Instant) -> Result<View> {
        let maker = self.clone();
        let task = async move {
            let looks = &maker.graphql.looks;
            let (actor, standing) = looks.since(moment, &maker.graphql.mount.gateway, &maker.caller, &maker.look).await?;
            View::of(&maker, actor, standing, moment).await
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }

    /// What a place is to this view, for everyone who has it.
    async fn place(self, view: Arc<View>, entry: Arc<Entry>) -> Result<Answer> {
        let place = Place { log: LogId::of(&view.actor), position: entry.position, rights: view.standing.rights };
        let delivery = Delivery::Place { entry: Entry::clone(&entry), cursor: place.to_string() };
        let _turn = self.graphql.turns.take(view.actor.organization).await?;
        match self.run(&view, Arc::new(delivery)).await {
            None => Ok(None),
            Some(response) => bytes(&whole(response)?).map(Some),
        }
    }

    /// The operation that is asked for, and whether it ended.
    async fn operation(&self, view: &Arc<View>) -> Result<(Response, bool)> {
        let (maker, view) = (self.clone(), Arc::clone(view));
        let task = async move {
            let _turn = maker.graphql.turns.take(view.actor.organization).await?;
            let delivery = Arc::new(Delivery::Operation(Mutex::default()));
            let response = maker.run(&view, Arc::clone(&delivery)).await.unwrap_or_default();
            let Delivery::Operation(state) = &*delivery else { return Ok((response, false)) };
            let state = *state.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((response, state.is_some_and(|state| state.ended())))
        };
        tokio::spawn(task.in_current_span()).await.map_err(Error::internal)?
    }

    async fn state(&self, view: &Arc<View>) -> Result<(Bytes, bool)> {
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
        // It was found valid when it was asked, with the same variables.
        let response = self.graphql.proven.execute_stream(request).next().instrument(span).await;
        reads.close().await;
        response.map(|mut response| {
            classify(&mut response, Some(&self.shape.document.tree));
            response
        })
    }
}

impl Subscription {
    /// Finds out what is asked and whether it may be; a response says why not.
    pub async fn open(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Response> {
        let document = Arc::clone(&prepared.document);
        Subscription::begin(graphql, caller, prepared).await.map_err(|refusal| match refusal {
            Refusal::Response(mut response) => {
                classify(&mut response, Some(&document.tree));
                *response
            }
            Refusal::Error(error) => crate::errors::refused(error),
        })
    }

    async fn begin(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Refusal> {
        let Asked { topic, after } = asked(graphql, &prepared).await?;
        let (look, _seat) = graphql.looks.sit(&caller)?;
        let shape = graphql.shapes.same(Arc::new(Shape::new(prepared, topic)));
        let maker = Maker { graphql: graphql.clone(), caller, look, shape };
        let actor = maker.view(Instant::now()).await?.actor;
        let (log, acting) = (LogId::of(&actor), LogId::Own(actor.organization));
        // Followed before the rights are found, so that a change of them comes behind.
        let mut follow = Follow::from(&graphql.live, log, None).await?;
        let mut rights = Vec::new();
        for id in std::iter::once(acting).chain(Some(log).filter(|log| matches!(log, LogId::Own(_)) && *log != acting)) {
            let log = graphql.live.open(id).await?;
            let marks = log.marks();
            let seen = *marks.borrow();
            rights.push(Rights { id, _held: log, marks, seen });
        }
        let view = Arc::new(patiently!(maker.view(Instant::now()).await)?);
        if let Some(after) = after {
            let place = Place::parse(&after, "after", log, view.standing.rights)?;
            graphql.live.check(&place).await?;
            follow = Follow::from(&graphql.live, log, Some(place.position)).await?;
        }
        let watched = match maker.shape.topic {
            Topic::Operation(id) => {
                // Whether it is there to be seen is said at once.
                let (response, _) = maker.operation(&view).await?;
                if !response.errors.is_empty() {
                    return Err(Refusal::Response(Box::new(response)));
                }
                let held = graphql.live.watch(view.actor.organization, id);
                Some(Moves { moves: held.moves(), _held: held, last: None, due: true })
            }
            _ => None,
        };
        Ok(Subscription {
            token_ends: maker.until(Some(caller.until)),
            rights_may_end: maker.until(view.standing.until),
            closing: graphql.live.closing(),
            maker,
            _seat,
            view,
            follow,
            rights,
            pending: None,
            watched,
            over: false,
        })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        let position = match &self.pending {
            Some(told) => told.position - 1,
            None => self.follow.position(),
        };
        Place { log: LogId::of(&self.view.actor), position, rights: self.view.standing.rights }
    }

    /// The next answer; None after the end. Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Option<Out> {
        if self.over {
            return None;
        }
        let out = match self.wait().await {
            Ok(out) => out,
            Err(error) if matches!(self.maker.shape.topic, Topic::Operation(_)) || error.code() == Code::CURSOR_EXPIRED => {
                Out::Ended(error)
            }
            // What was answered needs not be told again.
            Err(error) => Out::Ended(error.details(serde_json::json!({ "cursor": self.place().to_string() }))),
        };
        self.over = !matches!(out, Out::Next(_));
        Some(out)
    }

    async fn wait(&mut self) -> Result<Out> {
        loop {
            // Whoever stopped waiting in the midst of it begins here again.
            if self.rights_moved() || self.term_is_over() {
                self.look_again().await?;
            }
            if let Some(told) = self.pending.clone() {
                let answer = self.tell(&told).await?;
                self.pending = None;
                if let Some(answer) = answer {
                    return Ok(Out::Next(answer));
                }
                continue;
            }
            if self.watched.as_ref().is_some_and(|watched| watched.due)
                && let Some(out) = self.moved().await?
            {
                return Ok(out);
            }
            let moves = async {
                match &mut self.watched {
                    Some(watched) => drop(watched.moves.changed().await),
                    None => std::future::pending().await,
                }
            };
            let rights = select_all(self.rights.iter_mut().map(|log| Box::pin(log.marks.changed())));
            let woke = tokio::select! {
                biased;
                () = ::live::closed(&mut self.closing) => Woke::Closing,
                () = &mut self.token_ends => Woke::Token,
                () = &mut self.rights_may_end => Woke::Term,
                _ = rights => Woke::Rights,
                () = moves => Woke::Moved,
                told = self.follow.next() => Woke::Told(told?),
            };
            match woke {
                Woke::Closing => return Err(Error::new(Code::SHUTTING_DOWN)),
                Woke::Token => {
                    self.current()?;
                    self.token_ends = self.maker.until(Some(self.maker.caller.until));
                }
                Woke::Term => self.rights_may_end = self.maker.until(self.view.standing.until),
                Woke::Rights => {}
                Woke::Moved => self.watched.iter_mut().for_each(|watched| watched.due = true),
                Woke::Told(told) => self.pending = Some(told),
            }
        }
    }

    /// The token still says who it is.
    fn current(&self) -> Result<()> {
        if self.maker.now() < self.maker.caller.until { Ok(()) } else { Err(Error::new(Code::TOKEN_EXPIRED)) }
    }

    fn term_is_over(&self) -> bool {
        self.view.standing.until.is_some_and(|until| until <= self.maker.now())
    }

    /// Something was told that decides who sees what, and was not looked at.
    fn rights_moved(&self) -> bool {
        self.rights.iter().any(|log| {
            let now = *log.marks.borrow();
            // What is in portfolios decides for delegates only.
            now.rights != log.seen.rights || (self.view.actor.delegated && now.groups != log.seen.groups)
        })
    }

    /// It tells itself of something that decides who sees what, and the log is not yet followed as far as that.
    fn decides(&self, entry: &Entry) -> bool {
        let What::Event(event) = &entry.what else { return false };
        let told = Marks::default().after(entry);
        let source = self.rights.iter().find(|log| log.id == LogId::Own(entry.source));
        source.is_some_and(|log| {
            (told.rights > 0 && log.seen.rights < event.seq)
                || (told.groups > 0 && self.view.actor.delegated && log.seen.groups < event.seq)
        })
    }

    /// Answers what was taken from the log, by the rights of today, however old it is. Nothing, if it does not concern who asks.
    async fn tell(&mut self, told: &Arc<Entry>) -> Result<Option<Bytes>> {
        self.current()?;
        if self.decides(told) {
            self.look_again().await?;
        }
        if !self.maker.shape.topic.concerns(told) {
            return Ok(None);
        }
        loop {
            if self.rights_moved() || self.term_is_over() {
                self.look_again().await?;
            }
            let decide = Arc::clone(&self.maker.graphql.mount.gateway.decide);
            let policies = patiently!(decide.policies().await)?;
            if policies != self.view.standing.policies || self.view.since.elapsed() > LIFE {
                self.look_again().await?;
            }
            let (hub, maker, view) = (&self.maker.graphql.live, &self.maker, &self.view);
            let log = LogId::of(&view.actor);
            let making = async {
                patiently!({
                    let make = maker.clone().place(Arc::clone(view), Arc::clone(told));
                    hub.made(log, told, view.key, make).await
                })
            };
            let made = tokio::select! {
                biased;
                () = ::live::closed(&mut self.closing) => return Err(Error::new(Code::SHUTTING_DOWN)),
                made = making => made?,
            };
            self.current()?;
            // It may have taken a while: what it says is said only under the rights that still hold.
            if !self.rights_moved() && !self.term_is_over() {
                return Ok(made);
            }
        }
    }

    /// The operation as it is now, if that was not said yet; and its end.
    async fn moved(&mut self) -> Result<Option<Out>> {
        let (maker, view) = (&self.maker, &self.view);
        let (answer, ended) = patiently!(maker.state(view).await)?;
        let Some(watched) = &mut self.watched else { return Ok(None) };
        if watched.last.as_ref() == Some(&answer) {
            watched.due = false;
            return Ok(ended.then_some(Out::Complete));
        }
        watched.last = Some(answer.clone());
        // Its end is found at the next look.
        watched.due = ended;
        Ok(Some(Out::Next(answer)))
    }

    /// Whether it may still see what it saw. Another sight is an end: what came into it, or left it, was not told.
    async fn look_again(&mut self) -> Result<()> {
        let seen: Vec<Marks> = self.rights.iter_mut().map(|log| *log.marks.borrow_and_update()).collect();
        let maker = &self.maker;
        let view = patiently!(maker.view(Instant::now()).await).map_err(|error| match error.code() {
            Code::ORGANIZATION_NOT_FOUND | Code::GRANT_NOT_FOUND => Error::new(Code::AUTHORITY_LOST),
            _ => error,
        })?;
        // Only now: whoever stops waiting before looks again.
        for (log, seen) in self.rights.iter_mut().zip(seen) {
            log.seen = seen;
        }
        if view.standing.rights != self.view.standing.rights {
            return Err(schema::Expired::ScopeChanged.into());
        }
        self.rights_may_end = self.maker.until(view.standing.until);
        self.view = Arc::new(view);
        Ok(())
    }
}

/// A response, unless it is to be tried again. Any other failure is an answer as well: it would be the same next time.
fn whole(response: Response) -> Result<Response> {
    if response.errors.iter().filter_map(code_of).any(|code| code == Code::UNAVAILABLE.as_str()) {
        return Err(Error::unavailable("an answer could not be made"));
    }
    Ok(response)
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
    if prepared.query.len() > DOCUMENT {
        let message = format!("A subscription's document has at most {DOCUMENT} bytes.");
        return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into());
    }
    if let Some(name) = prepared.missing_variable() {
        let message = format!("The variable ${name} is required.");
        return Err(Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into());
    }
    let delivery = Arc::new(Delivery::Ask(Mutex::default()));
    let mut request = Request::new(prepared.query.clone()).variables(prepared.variables.clone());
    request.operation_name = prepared.operation.clone();
    request.set_parsed_query(prepared.document.tree.clone());
    let mut answers = graphql.schema.execute_stream(request.data(Arc::clone(&delivery)));
    // It answers only what is wrong.
    if let Some(response) = answers.next().await {
        return Err(Refusal::Response(Box::new(response)));
    }
    let Delivery::Ask(slot) = &*delivery else { return Err(Error::internal("an ask is an ask").into()) };
    let asked = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let message = "A subscription has one field; no directive stands before it.";
    asked.ok_or_else(|| Error::new(Code::GRAPHQL_VALIDATION_FAILED).message(message).into())
}

/// What is wrong with a subscription's document, if anything is.
pub async fn wrong(graphql: &GraphQl, prepared: &Prepared) -> Option<Response> {
    match asked(graphql, prepared).await {
        Ok(_) => None,
        Err(Refusal::Error(error)) => Some(crate::errors::refused(error)),
        Err(Refusal::Response(mut response)) => {
            classify(&mut response, Some(&prepared.document.tree));
            Some(*response)
        }
    }
}

impl Shape {
    fn new(prepared: Prepared, topic: Topic) -> Shape {
        let Prepared { query, operation, variables, document } = prepared;
        // Where someone comes from makes no difference to what a place is.
        let mut told = serde_json::to_value(&variables).unwrap_or_default();
        if let (Some(told), Some(name)) = (told.as_object_mut(), cursor_variable(&query, &document.tree)) {
            told.remove(&name);
        }
        let mut hash = Sha256::new();
        hash.update(serde_json::json!([query, operation, told]).to_string());
        Shape { request: query, operation, variables, document, topic, digest: hash.finalize().into() }
    }

    fn request(&self) -> Request {
        let mut request = Request::new(self.request.clone()).variables(self.variables.clone());
        request.operation_name = self.operation.clone();
        request.set_parsed_query(self.document.tree.clone());
        request
    }
}

/// The variable that says nothing but where the client goes on from.
fn cursor_variable(query: &str, document: &ExecutableDocument) -> Option<String> {
    let roots = document.operations.iter().flat_map(|(_, operation)| &operation.node.selection_set.node.items);
    let after = roots.filter_map(|selection| match &selection.node {
        Selection::Field(field) => field.node.get_argument("after"),
        _ => None,
    });
    let mut named = after.filter_map(|value| value.node.to_string().strip_prefix('$').map(str::to_owned));
    // Declared once and used once.
    named.next().filter(|name| query.matches(&format!("${name}")).count() == 2)
}

impl View {
    async fn of(Maker { graphql, shape, .. }: &Maker, actor: Actor, standing: Standing, since: Instant) -> Result<View> {
        let gateway = &graphql.mount.gateway;
        let filters = shape.document.planned.filters(&*gateway.decide, &actor).await?;
        let mut named: Vec<_> = filters.iter().collect();
        named.sort_by_key(|(kind, _)| **kind);
        let conditions: Key = Sha256::digest(format!("{named:?}")).into();
        let mut hash = Sha256::new();
        hash.update(shape.digest);
        hash.update(standing.rights.0.to_be_bytes());
        hash.update(conditions);
        let key = hash.finalize().into();
        // Equal conditions are kept once, however many hold them.
        let filters = graphql.shapes.same_filters(conditions, filters);
        Ok(View { actor, standing, filters, key, since })
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
