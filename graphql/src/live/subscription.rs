//! A subscription as its transport sees it: answers, one after the other, and an end.

use super::{
    asked::{Refusal, asked},
    maker::{Maker, View},
    patience::patiently,
    shapes::Shape,
};
use crate::live::pace::Pace;
use crate::{mount::GraphQl, request::Prepared, seats::Seat};
use ::live::{Follow, Log, Marks, OperationWatch};
use async_graphql::Response;
use axum::body::Bytes;
use entities::feed::{Content, Entry};
use futures_util::future::select_all;
use resolvers::change::{live::Asked, topic::Topic};
use schema::{Caller, Code, Denials, Error, LogId, LogPosition, Result};
use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, time::Sleep};

/// An output of a subscription.
pub enum Out {
    /// A response, as JSON.
    Next(Bytes),
    /// The subscription is complete.
    Complete,
    /// An error ended the subscription. If the error is about the connection, that ends as well.
    Ended(Error),
}

pub struct Subscription {
    maker: Maker,
    _seat: Seat,
    denied: watch::Receiver<Arc<Denials>>,
    pace: Arc<Pace>,
    view: Arc<View>,
    follow: Follow,
    /// The logs that announce changes of rights: the followed one, and the acting organization's.
    rights: Vec<RightsLog>,
    /// An entry that was taken from the log and not answered yet.
    pending: Option<Arc<Entry>>,
    watched: Option<Moves>,
    closing: watch::Receiver<bool>,
    token_ends: Pin<Box<Sleep>>,
    rights_may_end: Pin<Box<Sleep>>,
    over: bool,
}

/// A log that announces changes of rights, and the marks that the view has seen.
struct RightsLog {
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
    Entry(Arc<Entry>),
}

/// The operation that the subscription waits for.
struct Moves {
    _held: Arc<OperationWatch>,
    moves: watch::Receiver<u64>,
    last: Option<Bytes>,
    /// Whether the operation may have moved since the last look.
    due: bool,
}

/// The longest life of a view.
const LIFE: Duration = Duration::from_secs(30);

impl Subscription {
    /// Runs the document to learn its topic, and begins to follow that. The error is the response that says why not.
    pub async fn open(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Response> {
        let document = Arc::clone(&prepared.document);
        Subscription::begin(graphql, caller, prepared).await.map_err(|refusal| refusal.response(&document))
    }

    async fn begin(graphql: &GraphQl, caller: Caller, prepared: Prepared) -> Result<Subscription, Refusal> {
        let Asked { topic, after } = asked(graphql, &prepared).await?;
        graphql.admit(&caller, &prepared).await?;
        let (look, _seat) = graphql.looks.sit(&caller)?;
        let shape = graphql.shapes.same(Shape::new(prepared, topic));
        let maker = Maker { graphql: graphql.clone(), caller, look, shape };
        let actor = maker.view(Instant::now()).await?.actor;
        let (log, acting) = (LogId::of(&actor), LogId::Own(actor.organization));
        // The log is followed before the rights are found, so that a change of them comes behind.
        let mut follow = Follow::from(&graphql.live, log, None).await?;
        let mut rights = Vec::new();
        for id in std::iter::once(acting).chain(Some(log).filter(|log| matches!(log, LogId::Own(_)) && *log != acting)) {
            let log = graphql.live.open(id).await?;
            let marks = log.marks();
            let seen = *marks.borrow();
            rights.push(RightsLog { id, _held: log, marks, seen });
        }
        let view = Arc::new(patiently!(maker.view(Instant::now()).await)?);
        if let Some(after) = after {
            let place = LogPosition::parse(&after, "after", log, view.visibility.rights)?;
            graphql.live.check(&place).await?;
            follow = Follow::from(&graphql.live, log, Some(place.position)).await?;
        }
        let watched = match maker.shape.topic {
            Topic::Operation(id) => {
                // An operation that the subscriber may not see is refused at once.
                let (response, _) = maker.operation(&view).await?;
                if !response.errors.is_empty() {
                    return Err(Refusal::Response(Box::new(response)));
                }
                let held = graphql.live.watch(view.actor.organization, id);
                Some(Moves { moves: held.moves(), _held: held, last: None, due: true })
            }
            _ => None,
        };
        let mut denied = graphql.mount.gateway.denied.watch();
        // A denial may have come since the caller was looked at: the first wait looks again.
        denied.mark_changed();
        Ok(Subscription {
            token_ends: maker.until(Some(caller.until)),
            rights_may_end: maker.until(view.visibility.until),
            closing: graphql.live.closing(),
            pace: maker.graphql.paces.of(view.actor.organization.0),
            maker,
            _seat,
            denied,
            view,
            follow,
            rights,
            pending: None,
            watched,
            over: false,
        })
    }

    /// The position from which the client can go on.
    pub fn place(&self) -> LogPosition {
        let position = match &self.pending {
            Some(entry) => entry.position - 1,
            None => self.follow.position(),
        };
        LogPosition { log: LogId::of(&self.view.actor), position, rights: self.view.visibility.rights }
    }

    /// The next answer; None after the end. A caller that stops waiting loses nothing.
    pub async fn next(&mut self) -> Option<Out> {
        if self.over {
            return None;
        }
        let out = match self.wait().await {
            Ok(out) => out,
            Err(error) if matches!(self.maker.shape.topic, Topic::Operation(_)) || error.code() == Code::CURSOR_EXPIRED => {
                Out::Ended(error)
            }
            // The cursor lets the client go on behind the last answer.
            Err(error) => Out::Ended(error.details(serde_json::json!({ "cursor": self.place().to_string() }))),
        };
        self.over = !matches!(out, Out::Next(_));
        Some(out)
    }

    async fn wait(&mut self) -> Result<Out> {
        loop {
            // A wait that was given up midway begins here again.
            if self.rights_moved() || self.term_is_over() {
                self.look_again().await?;
            }
            if let Some(entry) = self.pending.clone() {
                let answer = self.answer(&entry).await?;
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
                Ok(()) = self.denied.changed() => Woke::Token,
                () = &mut self.rights_may_end => Woke::Term,
                _ = rights => Woke::Rights,
                () = moves => Woke::Moved,
                entry = self.follow.next() => Woke::Entry(entry?),
            };
            match woke {
                Woke::Closing => return Err(Error::new(Code::SHUTTING_DOWN)),
                Woke::Token => {
                    self.current()?;
                    self.token_ends = self.maker.until(Some(self.maker.caller.until));
                }
                Woke::Term => self.rights_may_end = self.maker.until(self.view.visibility.until),
                Woke::Rights => {}
                Woke::Moved => self.watched.iter_mut().for_each(|watched| watched.due = true),
                Woke::Entry(entry) => {
                    let concerns = self.maker.shape.topic.concerns(&entry) || self.decides(&entry);
                    self.pending = Some(entry);
                    if concerns {
                        self.pace.keep().await;
                    }
                }
            }
        }
    }

    /// Refuses once the token has expired or was taken back, or the caller is blocked.
    fn current(&self) -> Result<()> {
        self.maker.graphql.mount.gateway.denied.ensure_caller(&self.maker.caller)?;
        if self.maker.now() < self.maker.caller.until { Ok(()) } else { Err(Error::new(Code::TOKEN_EXPIRED)) }
    }

    fn term_is_over(&self) -> bool {
        self.view.visibility.until.is_some_and(|until| until <= self.maker.now())
    }

    /// Whether a log announced a change of rights that the view has not seen.
    fn rights_moved(&self) -> bool {
        self.rights.iter().any(|log| {
            let now = *log.marks.borrow();
            // The contents of portfolios decide for delegates only.
            now.rights != log.seen.rights || (self.view.actor.delegated && now.groups != log.seen.groups)
        })
    }

    /// Whether the entry itself changes rights, and the log has not announced that yet.
    fn decides(&self, entry: &Entry) -> bool {
        let Content::Event(event) = &entry.what else { return false };
        let changed = Marks::default().after(entry);
        let source = self.rights.iter().find(|log| log.id == LogId::Own(entry.source));
        source.is_some_and(|log| {
            (changed.rights > 0 && log.seen.rights < event.seq)
                || (changed.groups > 0 && self.view.actor.delegated && log.seen.groups < event.seq)
        })
    }

    /// The answer for an entry, by the rights of today, however old the entry is. None if it does not concern the subscriber.
    async fn answer(&mut self, entry: &Arc<Entry>) -> Result<Option<Bytes>> {
        self.current()?;
        if self.decides(entry) {
            self.look_again().await?;
        }
        if !self.maker.shape.topic.concerns(entry) {
            return Ok(None);
        }
        loop {
            if self.rights_moved() || self.term_is_over() {
                self.look_again().await?;
            }
            let decide = Arc::clone(&self.maker.graphql.mount.gateway.decide);
            let policies = patiently!(decide.policies().await)?;
            if policies != self.view.visibility.policies || self.view.since.elapsed() > LIFE {
                self.look_again().await?;
            }
            let (hub, maker, view) = (&self.maker.graphql.live, &self.maker, &self.view);
            let log = LogId::of(&view.actor);
            let making = async {
                patiently!({
                    let make = maker.clone().place(Arc::clone(view), Arc::clone(entry));
                    hub.answer(log, entry, view.key, make).await
                })
            };
            let made = tokio::select! {
                biased;
                () = ::live::closed(&mut self.closing) => return Err(Error::new(Code::SHUTTING_DOWN)),
                made = making => made?,
            };
            self.current()?;
            // The answer may have taken a while: only rights that still hold let it out.
            if !self.rights_moved() && !self.term_is_over() {
                return Ok(made);
            }
        }
    }

    /// The operation as it is now, if the client does not know that yet, and then its end.
    async fn moved(&mut self) -> Result<Option<Out>> {
        let (maker, view) = (&self.maker, &self.view);
        let (answer, ended) = patiently!(maker.state(view).await)?;
        let Some(watched) = &mut self.watched else { return Ok(None) };
        if watched.last.as_ref() == Some(&answer) {
            watched.due = false;
            return Ok(ended.then_some(Out::Complete));
        }
        watched.last = Some(answer.clone());
        // The next look completes the subscription.
        watched.due = ended;
        Ok(Some(Out::Next(answer)))
    }

    /// Renews the view. A change of sight ends the subscription, since no entry named the things that came into sight or left it.
    async fn look_again(&mut self) -> Result<()> {
        let seen: Vec<Marks> = self.rights.iter_mut().map(|log| *log.marks.borrow_and_update()).collect();
        let maker = &self.maker;
        let view = patiently!(maker.view(Instant::now()).await).map_err(|error| match error.code() {
            Code::ORGANIZATION_NOT_FOUND | Code::GRANT_NOT_FOUND => Error::new(Code::AUTHORITY_LOST),
            _ => error,
        })?;
        // The marks count as seen only now, so that a look that was given up is repeated.
        for (log, seen) in self.rights.iter_mut().zip(seen) {
            log.seen = seen;
        }
        if view.visibility.rights != self.view.visibility.rights {
            return Err(schema::Expired::ScopeChanged.into());
        }
        self.rights_may_end = self.maker.until(view.visibility.until);
        self.view = Arc::new(view);
        Ok(())
    }
}
