//! The steps: somebody does something, time passes, an owner lets a desk in or out, the gateway is killed.

use super::{Case, LEVELS, Level, MINUTE, Model};
use crate::{
    harness::{Options, Person, Process, World, folder, person, until},
    plans::random::Dice,
};
use chrono::DateTime;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use uuid::Uuid;
use workflows::Supervision;

pub(super) struct Play {
    pub world: World,
    process: Option<Process>,
    clock: PathBuf,
    pub model: Model,
    pub random: Dice,
    pub owners: [Person; 2],
    pub homes: [Uuid; 2],
    pub houses: [Value; 2],
    /// May read and answer the cases of the first owner's house, and say wishes.
    delegate: Person,
    pub staff: [Person; 2],
    pub principals: [Value; 2],
    pub desks: [Uuid; 2],
    grants: [[Value; 2]; 2],
    pub done: Vec<String>,
    pub kills: usize,
    pub went: usize,
}

/// Somebody who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Owner,
    Delegate,
    Desk(usize),
}

pub(super) fn time(second: i64) -> String {
    DateTime::from_timestamp(second, 0).expect("a time").format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn promised(level: &Level, lead: &Value) -> Value {
    let days = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"].map(|day| format!("{day} 00:00-24:00"));
    let minutes = |seconds: [i64; 4]| {
        let [low, normal, high, urgent] = seconds.map(|second| second / MINUTE);
        json!({ "low": low, "normal": normal, "high": high, "urgent": urgent })
    };
    json!({ "acknowledge": minutes(level.acknowledge), "resolve": minutes(level.resolve), "hours": days, "timeZone": "America/Phoenix",
        "pausesForOwner": level.stands_for_owner, "pausesForOthers": level.stands_for_others, "remindMinutes": level.remind / MINUTE,
        "closeDays": level.closes, "reopenDays": level.reopens, "leadId": lead })
}

impl Play {
    pub async fn new(seed: u64) -> Play {
        // The world's own gateway lays things out, and then does nothing by itself.
        let supervision =
            Supervision { heartbeat: Duration::from_secs(3_600), dead_after: Duration::from_secs(10_000), ..Default::default() };
        let world = World::with(Options { supervision, ..Options::default() }).await;
        let (owners, staff, boss) = ([person("olga"), person("otto")], [person("sam"), person("tim")], person("boss"));
        let delegate = person("dora");
        let homes = [world.found(&owners[0], "TRUST_OR_LLC").await, world.found(&owners[1], "INDIVIDUAL_PROPERTY_OWNER").await];
        let desks = [world.found(&boss, "CONCIERGE_OPERATOR").await, world.found(&boss, "CONCIERGE_OPERATOR").await];
        let mut principals = [Value::Null, Value::Null];
        let mut grants = [[Value::Null, Value::Null], [Value::Null, Value::Null]];
        let mut houses = [Value::Null, Value::Null];
        for (at, (who, home)) in owners.iter().zip(homes).enumerate() {
            houses[at] = world.create_property(who, home, "1 Palo Verde").await["id"].clone();
        }
        for at in 0..2 {
            world.join(&boss, desks[at], &staff[at], "CONCIERGE_STAFF").await;
            principals[at] = world.principal(&staff[at]).await;
            world.call(&boss, desks[at], "serviceLevel/v1/set", promised(&LEVELS[at], &principals[at])).await.ok();
            for owner in 0..2 {
                grants[owner][at] = world.engage(&owners[owner], homes[owner], desks[at], "ACT").await["id"].clone();
            }
        }
        let actions = ["READ_CASES", "SUBMIT_INTENTS", "ANSWER"];
        let holder = world.principal(&delegate).await;
        world.delegate(&owners[0], homes[0], json!({ "holderId": holder, "propertyIds": [houses[0]], "actions": actions })).await;
        let now = crate::harness::START;
        let clock = folder("clock").join(&world.database);
        world.clock.keep_in(&clock);
        let model = Model { now, lets: [[true; 2]; 2], ..Model::default() };
        let random = Dice::new(seed);
        let (process, done) = (None, Vec::new());
        let mut play = Play {
            world,
            process,
            clock,
            model,
            random,
            owners,
            homes,
            houses,
            delegate,
            staff,
            principals,
            desks,
            grants,
            done,
            kills: 0,
            went: 0,
        };
        play.serve().await;
        play
    }

    async fn serve(&mut self) {
        let clock = self.clock.display().to_string();
        self.process = Some(
            Process::serve(
                &self.world,
                &[("HESTAMI_CLOCK_FILE", &clock), ("HESTAMI_DEAD_AFTER", "1s"), ("HESTAMI_RATES", "off")],
            )
            .await,
        );
    }

    pub async fn end(self) {
        self.process.expect("a gateway").stop().await;
    }

    pub fn url(&self) -> String {
        self.process.as_ref().expect("a gateway").url.clone()
    }

    pub async fn step(&mut self) {
        let owner = self.random.below(2);
        match self.random.below(20) {
            0 | 1 => self.create(owner).await,
            2 | 3 => self.wish(owner).await,
            4..=6 => self.later().await,
            7 => self.engage(owner).await,
            _ if self.model.cases.is_empty() => self.create(owner).await,
            _ => self.work().await,
        }
    }

    fn actor(&self, owner: usize, who: Who) -> (Person, Uuid, Option<Value>) {
        match who {
            Who::Owner => (self.owners[owner].clone(), self.homes[owner], None),
            Who::Delegate => (self.delegate.clone(), self.homes[owner], None),
            Who::Desk(desk) => (self.staff[desk].clone(), self.desks[desk], Some(self.grants[owner][desk].clone())),
        }
    }

    pub fn somebody(&mut self) -> Who {
        [Who::Owner, Who::Desk(0), Who::Desk(0), Who::Desk(1), Who::Desk(1), Who::Delegate][self.random.below(6)]
    }

    /// A call on either surface. Every now and then the gateway is killed meanwhile, and the client comes back with its key.
    pub async fn call(&mut self, owner: usize, who: Who, procedure: &str, body: Value) -> Result<Value, String> {
        let (who, acting, grant) = self.actor(owner, who);
        let by_graphql = self.random.below(2) == 0;
        let request = request(self.world.client().clone(), (who, acting, grant), (procedure, self.world.key(), body), by_graphql);
        if self.random.below(8) == 0 {
            let began = tokio::spawn(request(&self.url()).send());
            self.kill().await;
            drop(began.await);
            self.done.push(format!("killed during {procedure}"));
        }
        let url = self.url();
        until("an outcome", async || {
            let answer = self.world.send(request(&url)).await;
            let data = answer.body["data"].as_object().and_then(|data| data.values().next());
            let result = if by_graphql { &data?["result"] } else { &answer.body["result"] };
            let code = if by_graphql { answer.gql_code() } else { answer.code() };
            match (result.is_null(), code) {
                (false, _) => Some(Ok(result["id"].clone())),
                // Whatever was under way is yet to be taken over from the one that died.
                (true, "" | "UNAVAILABLE" | "DEADLINE_EXCEEDED") => None,
                (true, code) => Some(Err(code.to_owned())),
            }
        })
        .await
    }

    async fn kill(&mut self) {
        tokio::time::sleep(Duration::from_millis(self.random.below(40) as u64)).await;
        self.process.take().expect("a gateway").kill().await;
        self.kills += 1;
        self.serve().await;
    }

    /// Notes a step, and holds its answer against the model's.
    pub fn expect(&mut self, told: String, answer: Result<Value, String>, expected: Result<(), &str>) -> Option<Value> {
        self.done.push(format!("{told}: {answer:?}"));
        assert_eq!(answer.as_ref().map(drop).map_err(String::as_str), expected, "{:#?}", self.done);
        self.went += usize::from(answer.is_ok());
        answer.ok()
    }

    /// Time passes: until a little after the next timer, or as much as comes.
    async fn later(&mut self) {
        let next = self.model.cases.iter().filter_map(Case::next).min();
        let most = [600, 2 * 3_600, 24 * 3_600][self.random.below(3)];
        let mut by = 1 + self.random.below(most) as i64;
        if let Some(at) = next.filter(|_| self.random.below(2) == 0) {
            by = at - self.model.now;
        }
        // Whatever waits in the engine waits by the real time, so that the gateway looks at it once it is a little late.
        while self.model.cases.iter().any(|case| case.next() == Some(self.model.now + by)) {
            by += 1;
        }
        self.model.now += by;
        self.world.clock.advance(Duration::from_secs(by.unsigned_abs()));
        self.done.push(format!("{by} s later"));
        if self.random.below(5) == 0 {
            self.kill().await;
            self.done.push("killed".to_owned());
        }
        for case in &mut self.model.cases {
            case.fire(self.model.now, self.model.lets[case.owner]);
        }
        self.timers().await;
    }

    async fn engage(&mut self, owner: usize) {
        let desk = self.random.below(2);
        if self.model.lets[owner][desk] && self.random.below(2) == 0 {
            return;
        }
        let (who, home) = (&self.owners[owner], self.homes[owner]);
        let lets = &mut self.model.lets[owner][desk];
        *lets = !*lets;
        // Without the gateway that dies: rights have a model of their own.
        if *lets {
            self.grants[owner][desk] = self.world.engage(who, home, self.desks[desk], "ACT").await["id"].clone();
        } else {
            let id = &self.grants[owner][desk];
            let grant = self.world.rpc(who, Some(home), "accessGrant/v1/get", json!({ "id": id })).await.ok().clone();
            self.world.call(who, home, "accessGrant/v1/revoke", json!({ "id": id, "version": grant["version"] })).await.ok();
        }
        self.done.push(format!("owner {owner} lets desk {desk} act: {}", self.model.lets[owner][desk]));
    }
}

/// A request that can be sent again and again, to whichever gateway.
fn request(
    client: reqwest::Client,
    (who, acting, grant): (Person, Uuid, Option<Value>),
    (procedure, key, mut body): (&str, Uuid, Value),
    by_graphql: bool,
) -> impl Fn(&str) -> reqwest::RequestBuilder {
    let path = if by_graphql {
        let [namespace, _, verb] = procedure.split('/').collect::<Vec<_>>()[..] else { panic!("{procedure}") };
        let field = format!("{namespace}{}{}", verb[..1].to_uppercase(), &verb[1..]);
        let input = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation ($key: UUID!, $input: {input}!) {{ {field}(idempotencyKey: $key, input: $input) {{ result {{ id }} }} }}"
        );
        body = json!({ "query": query, "variables": { "key": key, "input": body } });
        "graphql".to_owned()
    } else {
        body["idempotencyKey"] = json!(key);
        format!("api/v1/rpc/{procedure}")
    };
    move |url: &str| {
        let request = client.post(format!("{url}/{path}")).json(&body);
        let request = request.bearer_auth(&who.token).header("x-organization-id", acting.to_string());
        match &grant {
            Some(grant) => request.header("x-grant-id", grant.as_str().expect("an id")),
            None => request,
        }
    }
}
