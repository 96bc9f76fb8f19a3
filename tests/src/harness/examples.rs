//! Organizations in which every procedure's own `example()` works: the enumerated tests stand on them, so a new procedure
//! is covered by its example alone.

use super::{
    Answer, Person, World, person,
    rows::{self, AT, Otherwise, Principals},
};
use entities::{delegation::DelegationId, membership::MembershipId};
use schema::{AccessGrantId, Entry, OrganizationId, Runs, Scope, Surface};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicU32, Ordering},
};
use uuid::Uuid;

/// An organization with the examples' rows. Their ids are the same in each but for those that are found across organizations.
#[derive(Debug, Clone, Copy)]
pub struct Home(u32);

/// The organization that the contract's examples name.
pub const HOME: Home = Home(0);

/// A concierge, whom every home engaged.
pub const DESK: Uuid = OrganizationId::CONCIERGE_EXAMPLE.0;

impl Home {
    pub fn id(self) -> Uuid {
        self.own(OrganizationId::EXAMPLE.0)
    }

    /// Numbers of examples have 32 bits; a home's is above them.
    fn own(self, example: Uuid) -> Uuid {
        Uuid::from_u128(example.as_u128() | (u128::from(self.0) << 32))
    }

    fn own_ids(self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let across = [
                    OrganizationId::EXAMPLE.0,
                    MembershipId::INVITED_EXAMPLE.0,
                    DelegationId::OFFERED_EXAMPLE.0,
                    AccessGrantId::EXAMPLE.0,
                    AccessGrantId::OFFERED_EXAMPLE.0,
                    rows::LET_IN,
                ];
                if let Some(id) = across.into_iter().find(|id| id.to_string() == *text) {
                    *text = self.own(id).to_string();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.own_ids(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.own_ids(field)),
            _ => {}
        }
    }

    /// The example of an entry, for this organization.
    pub fn input(self, entry: &Entry) -> Value {
        let mut input = entry.example();
        self.own_ids(&mut input);
        if entry.name() == "principal/v1/register" {
            input["subject"] = format!("agent-{}", self.0).into();
        }
        input
    }

    /// The organization that the header names for an entry.
    pub fn header(self, entry: &Entry) -> Option<Uuid> {
        (entry.scope() == Scope::Organization).then(|| self.id())
    }
}

pub struct Examples {
    /// The owner of every home, to whom its open invitation is addressed.
    pub owner: Person,
    /// Staff of the concierge, who may see and may not change anything.
    pub staff: Person,
    /// The administrator of the concierge's organization.
    pub concierge: Person,
    /// Staff of the concierge's organization, who act for the homes by their grants. One person alone may have only so much to do at a time.
    pub doras: Vec<Person>,
    /// The owner of another organization.
    pub stranger: Person,
    pub elsewhere: Uuid,
    principals: Principals,
    columns: HashMap<String, BTreeSet<String>>,
    homes: AtomicU32,
}

impl Examples {
    /// The examples of a world, with [`HOME`] laid out.
    pub async fn new(world: &World) -> Examples {
        let (owner, staff, concierge) = (person("olga"), person("sam"), person("dana"));
        let doras: Vec<Person> = (1..=8).map(|number| person(&format!("dora-{number}"))).collect();
        let mut ids = Vec::new();
        for who in [&owner, &staff, &person("tom"), &concierge].into_iter().chain(&doras) {
            ids.push(world.principal(who).await.as_str().and_then(|id| id.parse().ok()).expect("an id"));
        }
        let stranger = person("mallory");
        let elsewhere = world.found(&stranger, "TRUST_OR_LLC").await;
        let sql = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
        let mut columns: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (table, column) in sqlx::query_as::<_, (String, String)>(sql).fetch_all(&world.sql).await.expect("columns") {
            columns.entry(table).or_default().insert(column);
        }
        let principals = Principals { olga: ids[0], sam: ids[1], tom: ids[2] };
        let examples =
            Examples { owner, staff, concierge, doras, stranger, elsewhere, principals, columns, homes: AtomicU32::new(1) };
        let mut sql = world.sql.acquire().await.expect("a connection");
        let desk = json!({ "id": DESK, "type": "CONCIERGE_OPERATOR", "name": "Desert Sky" });
        examples.insert(&mut sql, "organization", vec![desk]).await;
        let head = json!({ "organization_id": DESK, "event_seq": 0 });
        examples.insert(&mut sql, "org_head", vec![head]).await;
        let dana = json!({ "id": schema::example(0xc9), "organization_id": DESK, "principal_id": ids[3], "role": "ADMINISTRATOR",
            "state": "ACTIVE", "starts_at": AT, "invited_by": ids[3] });
        let dora = |(number, id): (u32, &Uuid)| {
            json!({ "id": schema::example(0xdd00 + number), "organization_id": DESK, "principal_id": id, "role": "CONCIERGE_STAFF",
                "state": "ACTIVE", "starts_at": AT, "invited_by": ids[3] })
        };
        let members = std::iter::once(dana).chain((0..).zip(&ids[4..]).map(dora)).collect();
        examples.insert(&mut sql, "membership", members).await;
        drop(sql);
        examples.lay_in(world, &[(HOME, None)]).await;
        examples
    }

    /// Who calls an entry, for which organization and by which grant: the owner of a home, or the desk where only it may.
    pub fn caller(&self, entry: &Entry, home: Home) -> (&Person, Option<Uuid>, Option<Uuid>) {
        if entry.name() == "organization/v1/create" {
            // The owner of all homes has founded as many as anybody may.
            (&self.stranger, None, None)
        } else if by_desk(entry) {
            (&self.doras[home.0 as usize % self.doras.len()], Some(DESK), Some(home.own(AccessGrantId::EXAMPLE.0)))
        } else {
            (&self.owner, home.header(entry), None)
        }
    }

    /// The call of an entry's example in a home.
    pub fn call(&self, entry: &'static Entry, home: Home, key: Option<Uuid>) -> Call<'_> {
        let (who, organization, grant) = self.caller(entry, home);
        Call { entry, who, organization: organization.map(|id| id.to_string()), grant, key, input: home.input(entry) }
    }

    /// An organization for each of these, with its rows ready for it.
    pub async fn lay(&self, world: &World, entries: impl IntoIterator<Item = &'static Entry>) -> Vec<(&'static Entry, Home)> {
        let laid = entries.into_iter().map(|entry| (entry, Home(self.homes.fetch_add(1, Ordering::Relaxed))));
        let laid: Vec<_> = laid.collect();
        let otherwise = rows::otherwise();
        let state = |entry: &Entry| otherwise.iter().find(|state| state.procedure == entry.name());
        let homes: Vec<_> = laid.iter().map(|(entry, home)| (*home, state(entry))).collect();
        self.lay_in(world, &homes).await;
        laid
    }

    async fn lay_in(&self, world: &World, homes: &[(Home, Option<&Otherwise>)]) {
        let mut tx = world.sql.begin().await.expect("a transaction");
        for (table, row) in rows::rows(&self.principals) {
            let of_each = homes.iter().map(|(home, otherwise)| {
                let mut row = row.clone();
                if let Some(otherwise) = otherwise.filter(|otherwise| row["id"] == otherwise.id.to_string()) {
                    row.as_object_mut().expect("columns").extend(otherwise.columns.as_object().cloned().expect("columns"));
                }
                home.own_ids(&mut row);
                if row.get("organization_id").is_none() {
                    row["organization_id"] = home.id().to_string().into();
                }
                row
            });
            self.insert(&mut tx, table, of_each.collect()).await;
        }
        for (home, then) in homes.iter().filter_map(|(home, otherwise)| Some((home, &otherwise.as_ref()?.then))) {
            let then = then.replace("{home}", &home.id().to_string());
            tx.execute(sqlx::raw_sql(AssertSqlSafe(then))).await.expect("the state of a row");
        }
        tx.commit().await.expect("the examples' rows");
    }

    /// Rows of one table, in one statement.
    async fn insert(&self, sql: &mut PgConnection, table: &str, mut rows: Vec<Value>) {
        let known = self.columns.get(table).unwrap_or_else(|| panic!("there is no table {table}"));
        let mut columns = BTreeSet::new();
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            for (time, at) in [("created_at", AT), ("updated_at", AT)].into_iter().filter(|(time, _)| known.contains(*time)) {
                row.entry(time).or_insert(at.into());
            }
            // The row of an organization itself has no such column.
            row.retain(|column, _| column != "organization_id" || known.contains(column));
            columns.extend(row.keys().map(|column| format!("\"{column}\"")));
        }
        let columns = Vec::from_iter(columns).join(", ");
        let insert = format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1)");
        let done = sqlx::query(AssertSqlSafe(insert)).bind(Value::from(rows)).execute(sql).await;
        done.unwrap_or_else(|error| panic!("{table}: {error}"));
    }
}

/// Whether a mutation is for those only whom an owner let act, as the table of who may do what says.
pub fn by_desk(entry: &Entry) -> bool {
    const ACCESS: &str = include_str!("../../../schema/golden/access.txt");
    let kind = entities::kind_of(entry.parts().namespace).map_or("", |kind| kind.name);
    // The columns after the question: owner, co-owner, trustee, staff, administrator, nobody, delegate, acting, system.
    let standings = |line: &str| -> Option<Vec<String>> {
        let mut words = line.split_whitespace();
        let asked = words.next() == Some(kind) && words.next() == Some(entry.parts().verb);
        let all: Vec<String> = words.map(str::to_owned).collect();
        asked.then(|| all.iter().rev().take(9).rev().cloned().collect())
    };
    let found: Vec<Vec<String>> = ACCESS.lines().filter_map(standings).collect();
    entry.is_mutation() && !found.is_empty() && found.iter().all(|all| all[0] == "-" && all[7] == "E")
}

/// Every entry that a surface carries.
pub fn carried() -> impl Iterator<Item = &'static Entry> {
    resolvers::TABLE.iter().filter(|entry| entry.surface() == Surface::Everywhere)
}

pub fn reads_of(entry: &Entry) -> bool {
    entry.runs() == Runs::Read
}

/// One call of an entry, on both surfaces.
pub struct Call<'a> {
    pub entry: &'static Entry,
    pub who: &'a Person,
    pub organization: Option<String>,
    pub grant: Option<Uuid>,
    pub key: Option<Uuid>,
    pub input: Value,
}

impl Call<'_> {
    pub async fn by_rpc(&self, world: &World) -> Answer {
        let mut body = self.input.clone();
        if let Some(key) = self.key {
            body["idempotencyKey"] = key.to_string().into();
        }
        let request = world.request(reqwest::Method::POST, &format!("/api/v1/rpc/{}", self.entry.name())).json(&body);
        world.send(self.headed(request)).await
    }

    /// Calls the entry over GraphQL, and selects the fields of `shape`, which RPC answered.
    pub async fn by_graphql(&self, world: &World, shape: &Value) -> Answer {
        let selection = selection(shape);
        let (query, variables) = match self.entry.runs() {
            Runs::Mutation(_) => {
                let field = self.entry.parts().field();
                let (declared, argument) =
                    if self.key.is_some() { ("$key: UUID!, ", "idempotencyKey: $key, ") } else { ("", "") };
                let input = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
                let query = format!(
                    "mutation({declared}$input: {input}!) {{ {field}({argument}input: $input) {{ replayed operation {{ id procedure state attempt idempotencyKey initiator initiatorKind createdAt expiresAt }} result {selection} }} }}"
                );
                let mut variables = json!({ "input": self.input });
                if let Some(key) = self.key {
                    variables["key"] = key.to_string().into();
                }
                (query, variables)
            }
            Runs::Read => (format!("{{ {}{} {selection} }}", query_field(self.entry), arguments(&self.input)), json!({})),
        };
        let body = json!({ "query": query, "variables": variables });
        world.send(self.headed(world.request(reqwest::Method::POST, "/graphql").json(&body))).await
    }

    fn headed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let request = if self.who.token.is_empty() { request } else { request.bearer_auth(&self.who.token) };
        let request = match self.grant {
            Some(grant) => request.header("x-grant-id", grant.to_string()),
            None => request,
        };
        match &self.organization {
            Some(organization) => request.header("x-organization-id", organization),
            None => request,
        }
    }
}

/// `property/v1/get` is `property`, `property/v1/list` is `properties`, others as GraphQL names them.
pub fn query_field(entry: &Entry) -> String {
    let name = entry.parts();
    match name.verb {
        "engaged" if name.namespace == "accessGrant" => "engagedOrganizations".to_owned(),
        "engaged" => "engagedProperties".to_owned(),
        "report" => "report".to_owned(),
        "counts" => "workItemCounts".to_owned(),
        "desks" => "desks".to_owned(),
        "offers" => "accessGrantOffers".to_owned(),
        "financials" => name.field(),
        "get" => name.namespace.to_owned(),
        "list" => match name.namespace.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{}s", name.namespace),
        },
        verb => panic!("{verb}: say here which field of a query it is"),
    }
}

fn arguments(input: &Value) -> String {
    let given: Vec<String> = input
        .as_object()
        .expect("an object")
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}: {}", literal(value)))
        .collect();
    if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
}

fn literal(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_') => text.clone(),
        Value::Object(fields) => {
            format!("{{ {} }}", fields.iter().map(|(k, v)| format!("{k}: {}", literal(v))).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The selection of everything that a JSON answer has. A refused call has no shape: its type's name will do.
fn selection(shape: &Value) -> String {
    fn fields(object: &Map<String, Value>) -> String {
        let each = object.iter().filter(|(name, value)| !(name.as_str() == "error" && value.is_null()));
        let each: Vec<String> = each
            .map(|(name, value)| match value {
                Value::Object(inner) => format!("{name} {}", fields(inner)),
                Value::Array(items) => match items.first() {
                    Some(Value::Object(inner)) => format!("{name} {}", fields(inner)),
                    None if name == "edges" => "edges { cursor }".to_owned(),
                    None if name == "items" => "items { change }".to_owned(),
                    _ => name.clone(),
                },
                _ => name.clone(),
            })
            .collect();
        format!("{{ {} }}", each.join(" "))
    }
    match shape {
        Value::Object(object) if !object.is_empty() => fields(object),
        _ => "{ __typename }".to_owned(),
    }
}
