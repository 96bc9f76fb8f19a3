//! Those who use it meanwhile, and what they remember: what was acknowledged, what they saw, what they were told.

use super::proxy::Proxy;
use crate::load::{Connection, post};
use futures_util::{SinkExt, StreamExt};
use schema::Clock;
use serde_json::{Value, json};
use server::Fault;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use uuid::Uuid;

/// SplitMix64: the same choices for the same seed.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn key(&mut self) -> Uuid {
        let (high, low) = (u128::from(self.next()), u128::from(self.next()));
        uuid::Builder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid()
    }
}

/// What all of them saw.
pub struct Book {
    pub stop: AtomicBool,
    /// Which no longer comes: subscribers wait for the rest.
    pub done: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
pub struct Kept {
    /// By what was asked: key and street, whose, and the id that was answered.
    pub acknowledged: Vec<(Uuid, String, Uuid, String)>,
    /// Changes: which, as what version, and the note.
    pub changed: Vec<(String, i64, String)>,
    /// Keys whose end nobody waited for.
    pub given_up: Vec<(Uuid, String, Uuid)>,
    pub answers: BTreeMap<String, u64>,
    pub violations: Vec<String>,
    began: Option<Instant>,
    last: Option<Instant>,
    /// How long nobody was answered, and when somebody was again.
    pub longest: (Duration, Duration),
}

impl Book {
    pub fn new() -> Arc<Book> {
        Arc::new(Book { stop: AtomicBool::new(false), done: AtomicBool::new(false), kept: Mutex::default() })
    }

    pub fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, what: &str) {
        self.with(|kept| *kept.answers.entry(what.to_owned()).or_default() += 1);
    }

    fn answered(&self) {
        self.with(|kept| {
            let now = Instant::now();
            let silence = kept.last.map_or(Duration::ZERO, |last| now - last);
            if silence > kept.longest.0 {
                kept.longest = (silence, kept.began.map_or(Duration::ZERO, |began| now - began));
            }
            kept.last = Some(now);
        });
    }

    pub fn begins(&self, now: Instant) {
        self.with(|kept| (kept.began, kept.last) = (Some(now), Some(now)));
    }

    pub fn violated(&self, what: String) {
        eprintln!("VIOLATION: {what}");
        self.with(|kept| kept.violations.push(what));
    }

    fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Someone, for one organization, through whatever replica answers.
#[derive(Clone)]
pub struct Client {
    pub book: Arc<Book>,
    pub proxy: Proxy,
    pub token: String,
    pub organization: Option<Uuid>,
    /// The grant by which a desk acts for an owner.
    pub grant: Option<String>,
    pub dice: Dice,
}

/// What came of a request.
pub enum Came {
    Answer(Value),
    Refusal(String),
    /// Nobody knows.
    Nothing,
}

const PATIENCE: Duration = Duration::from_secs(12);

impl Client {
    async fn send(&self, path: &str, body: &Value) -> Result<Value, String> {
        let authorization = format!("Bearer {}", self.token);
        let organization = self.organization.map(|id| id.to_string()).unwrap_or_default();
        let mut headers = vec![("authorization", authorization.as_str())];
        if !organization.is_empty() {
            headers.push(("x-organization-id", organization.as_str()));
        }
        headers.extend(self.grant.as_deref().map(|grant| ("x-grant-id", grant)));
        let told = |problem: Fault| problem.to_string();
        let asked = async {
            let mut connection = Connection::open(self.proxy.address).await.map_err(told)?;
            let request = post(path, &headers, body.to_string().into()).map_err(told)?;
            let (_, body) = connection.exchange(request).await.map_err(told)?;
            serde_json::from_slice(&body).map_err(|_| "no JSON".to_owned())
        };
        timeout(PATIENCE, asked).await.map_err(|_| "no answer in time".to_owned())?
    }

    pub async fn rpc(&self, procedure: &str, body: &Value) -> Came {
        match self.send(&format!("/api/v1/rpc/{procedure}"), body).await {
            Ok(answer) if answer["error"].is_null() => {
                self.book.answered();
                self.book.count("answered");
                Came::Answer(answer)
            }
            Ok(answer) => {
                let code = answer["error"]["code"].as_str().unwrap_or("no code").to_owned();
                self.book.count(&code);
                if answer["error"]["type"] == "INTERNAL" {
                    self.book.violated(format!("{procedure}: {answer}"));
                }
                Came::Refusal(code)
            }
            Err(_) => {
                self.book.count("no answer");
                Came::Nothing
            }
        }
    }

    pub async fn graphql(&self, query: &str, variables: Value) -> Option<Value> {
        match self.send("/graphql", &json!({ "query": query, "variables": variables })).await {
            Ok(answer) => {
                match answer["errors"][0]["extensions"]["code"].as_str() {
                    None => {
                        self.book.answered();
                        self.book.count("answered");
                    }
                    Some("INTERNAL") => self.book.violated(format!("{query}: {answer}")),
                    Some(code) => self.book.count(code),
                }
                Some(answer)
            }
            Err(_) => {
                self.book.count("no answer");
                None
            }
        }
    }

    /// A mutation, sent again with its key until its end is known. None: it was given up.
    async fn insist(&mut self, procedure: &str, body: &Value, may_give_up: bool) -> Option<Result<Value, String>> {
        for attempt in 0..200_u32 {
            match self.rpc(procedure, body).await {
                Came::Answer(answer) if answer["operation"]["state"] == "COMPLETED" => return Some(Ok(answer)),
                Came::Refusal(code) if !["UNAVAILABLE", "SHUTTING_DOWN"].contains(&code.as_str()) => return Some(Err(code)),
                _ => {}
            }
            if may_give_up && self.dice.below(6) == 0 {
                return None;
            }
            sleep(Duration::from_millis(u64::from(50 * attempt.min(20)))).await;
        }
        self.book.violated(format!("{procedure} has no end: {body}"));
        None
    }

    /// Creates, changes and repeats, with keys.
    pub async fn write(mut self, name: String) {
        let Some(organization) = self.organization else { return };
        let mut mine: Vec<(Uuid, String, Value)> = Vec::new();
        let mut n = 0;
        while !self.book.over() {
            n += 1;
            sleep(Duration::from_millis(20 + self.dice.below(150))).await;
            match self.dice.below(10) {
                0..=1 if !mine.is_empty() => {
                    // Its version may be another than last known: what was given up may have been done.
                    let at = self.dice.below(mine.len() as u64) as usize;
                    let Came::Answer(now) = self.rpc("property/v1/get", &json!({ "id": mine[at].1 })).await else { continue };
                    let version = &now["result"]["version"];
                    let note = format!("{name} {n}");
                    let patch = json!({ "id": mine[at].1, "version": version, "notes": note, "idempotencyKey": self.dice.key() });
                    match self.insist("property/v1/update", &patch, true).await {
                        Some(Ok(answer)) => {
                            let version = answer["result"]["version"].as_i64().unwrap_or_default();
                            self.book.with(|kept| kept.changed.push((mine[at].1.clone(), version, note)));
                        }
                        Some(Err(code)) if code != "CONFLICT" => self.book.violated(format!("an update was refused: {code}")),
                        _ => {}
                    }
                }
                2 if !mine.is_empty() => {
                    let at = self.dice.below(mine.len() as u64) as usize;
                    let (key, id, body) = mine[at].clone();
                    match self.insist("property/v1/create", &body, false).await {
                        Some(Ok(answer)) if answer["result"]["id"] == id.as_str() && answer["replayed"] == true => {}
                        Some(other) => self.book.violated(format!("the key {key} answered otherwise: {other:?}")),
                        None => {}
                    }
                }
                _ => {
                    let key = self.dice.key();
                    let street = format!("{n} {name} Street");
                    let body = json!({ "idempotencyKey": key, "kind": "LAND", "timeZone": "America/Phoenix",
                        "address": { "line1": street, "locality": "Phoenix", "country": "US" } });
                    match self.insist("property/v1/create", &body, true).await {
                        Some(Ok(answer)) => {
                            let id = answer["result"]["id"].as_str().unwrap_or_default().to_owned();
                            self.book.with(|kept| kept.acknowledged.push((key, street, organization, id.clone())));
                            mine.push((key, id, body));
                        }
                        Some(Err(code)) => self.book.violated(format!("a creation was refused: {code}")),
                        None => self.book.with(|kept| kept.given_up.push((key, street, organization))),
                    }
                }
            }
        }
    }

    /// Opens cases, and works on them as a desk does that the owner let act. Their times come while everything breaks.
    pub async fn care(mut self, mut desk: Client) {
        while !self.book.over() {
            sleep(Duration::from_millis(100 + self.dice.below(600))).await;
            let body = json!({ "idempotencyKey": self.dice.key(), "title": "The gutter drips", "kind": "REPAIR" });
            let Some(Ok(made)) = self.insist("case/v1/create", &body, true).await else { continue };
            let id = made["result"]["id"].clone();
            desk.move_case(&id, "triage", json!({ "kind": "REPAIR", "priority": "HIGH" })).await;
            desk.move_case(&id, "updateStatus", json!({ "state": "IN_PROGRESS" })).await;
            let seconds = 2 + i64::try_from(self.dice.below(15)).unwrap_or_default();
            let soon = (schema::SystemClock.now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
            match self.dice.below(6) {
                0 | 1 => desk.move_case(&id, "ask", json!({ "text": "Zinc?", "dueAt": soon })).await,
                2 => {
                    let wait = json!({ "state": "WAITING_EXTERNAL", "waitingFor": "The roofer", "waitingUntil": soon });
                    desk.move_case(&id, "updateStatus", wait).await;
                }
                3 => self.move_case(&id, "cancel", json!({ "reason": "It stopped raining" })).await,
                _ => desk.move_case(&id, "resolve", json!({ "resolution": "DONE", "summary": "Mended" })).await,
            }
        }
    }

    /// One verb at a case in the version that it has now. The clock may have been faster, and what was given up may have been done.
    async fn move_case(&mut self, id: &Value, verb: &str, mut body: Value) {
        let Came::Answer(now) = self.rpc("case/v1/get", &json!({ "id": id })).await else { return };
        body["id"] = id.clone();
        body["version"] = now["result"]["version"].clone();
        body["idempotencyKey"] = json!(self.dice.key());
        match self.insist(&format!("case/v1/{verb}"), &body, true).await {
            Some(Err(code)) if !["VERSION_CONFLICT", "CASE_INVALID_TRANSITION"].contains(&code.as_str()) => {
                self.book.violated(format!("{verb} was refused: {code}"));
            }
            _ => {}
        }
    }

    /// Reads its own, and what is not its own.
    pub async fn read(mut self) {
        let Some(organization) = self.organization else { return };
        while !self.book.over() {
            sleep(Duration::from_millis(40 + self.dice.below(100))).await;
            let list = "{ properties(last: 30) { edges { node { id organizationId address { line1 } ownerships { id } } } } }";
            if let Some(answer) = self.graphql(list, json!({})).await {
                for edge in answer["data"]["properties"]["edges"].as_array().into_iter().flatten() {
                    if edge["node"]["organizationId"] != organization.to_string().as_str() {
                        self.book.violated(format!("{organization} sees {edge}"));
                    }
                }
            }
            // What was acknowledged before is there; what is another's is not.
            let all = self.book.with(|kept| kept.acknowledged.len() as u64);
            if all == 0 {
                continue;
            }
            let at = self.dice.below(all) as usize;
            let (_, street, owner, id) = self.book.with(|kept| kept.acknowledged[at].clone());
            let one = "query ($id: ID!) { property(id: $id) { address { line1 } } }";
            let Some(answer) = self.graphql(one, json!({ "id": id })).await else { continue };
            let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
            let seen = &answer["data"]["property"]["address"]["line1"];
            let right = if code == "UNAVAILABLE" {
                seen.is_null()
            } else if owner == organization {
                *seen == street.as_str()
            } else {
                code == "NOT_FOUND" && seen.is_null()
            };
            if !right {
                self.book.violated(format!("{organization} asked for {id} of {owner}: {answer}"));
            }
        }
    }

    /// Follows the log, comes and goes, and always goes on from where it was. What it was told of, in order.
    pub async fn follow(mut self, mut cursor: Value, heard: Arc<AtomicUsize>) -> Vec<(String, i64)> {
        let mut told = Vec::new();
        while !self.book.done.load(Ordering::Relaxed) {
            let stay = 2 + self.dice.below(60);
            let _ = self.stay(&mut cursor, &mut told, &heard, stay).await;
            sleep(Duration::from_millis(30)).await;
        }
        told
    }

    async fn stay(&self, cursor: &mut Value, told: &mut Vec<(String, i64)>, heard: &AtomicUsize, stay: u64) -> Option<()> {
        let mut request = format!("ws://{}/graphql", self.proxy.address).into_client_request().ok()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().ok()?);
        let (mut socket, _) = timeout(PATIENCE, connect_async(request)).await.ok()?.ok()?;
        let payload = json!({ "authorization": format!("Bearer {}", self.token), "organizationId": self.organization });
        socket.send(Message::text(json!({ "type": "connection_init", "payload": payload }).to_string())).await.ok()?;
        let query = "subscription ($after: String) { events(after: $after, filter: { resourceKinds: [\"property\"] }) {
            cursor change organizationId event { seq } } }";
        let message = json!({ "id": "s", "type": "subscribe", "payload": { "query": query, "variables": { "after": cursor } } });
        socket.send(Message::text(message.to_string())).await.ok()?;
        for _ in 0..stay {
            // A replica that stands still says nothing; its clients go to another.
            let Message::Text(text) = timeout(Duration::from_secs(4), socket.next()).await.ok()??.ok()? else { continue };
            let message: Value = serde_json::from_str(&text).ok()?;
            match message["type"].as_str() {
                Some("ping") => socket.send(Message::text(json!({ "type": "pong" }).to_string())).await.ok()?,
                Some("next") => {
                    let place = &message["payload"]["data"]["events"];
                    *cursor = place["cursor"].clone();
                    if let Some(seq) = place["event"]["seq"].as_i64() {
                        told.push((place["organizationId"].as_str().unwrap_or_default().to_owned(), seq));
                        heard.store(told.len(), Ordering::Relaxed);
                    }
                }
                Some("error") => {
                    let code = message["payload"][0]["extensions"]["code"].as_str().unwrap_or_default();
                    self.book.count(&format!("subscription {code}"));
                    if !["UNAVAILABLE", "SLOW_READER"].contains(&code) {
                        self.book.violated(format!("a subscription ended: {message}"));
                        return None;
                    }
                    return Some(());
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Keeps a copy by asking for what changed. The copy, in the end.
    pub async fn sync(mut self, mut cursor: Value) -> HashMap<String, Value> {
        let mut copy = HashMap::new();
        loop {
            let last = self.book.done.load(Ordering::Relaxed);
            let asked = json!({ "after": cursor, "kinds": ["property"], "first": 1 + self.dice.below(100) });
            let mut more = true;
            while more {
                let mut asked = asked.clone();
                asked["after"] = cursor.clone();
                match self.rpc("change/v1/list", &asked).await {
                    Came::Answer(answer) => {
                        let page = &answer["result"];
                        for item in page["items"].as_array().into_iter().flatten() {
                            copy.insert(item["id"].as_str().unwrap_or_default().to_owned(), item["node"].clone());
                        }
                        cursor = page["cursor"].clone();
                        more = page["hasMore"] == true;
                    }
                    Came::Refusal(code) if code != "UNAVAILABLE" => {
                        self.book.violated(format!("a sync was refused: {code}"));
                        return copy;
                    }
                    _ if last => sleep(Duration::from_millis(200)).await,
                    _ => more = false,
                }
            }
            if last {
                return copy;
            }
            sleep(Duration::from_millis(100 + self.dice.below(1_500))).await;
        }
    }
}
