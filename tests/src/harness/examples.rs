//! The world that every procedure's own `example()` works in: the enumerated tests stand on it, so
//! a new procedure is covered by its example alone.

use super::{Answer, Person, World, person};
use schema::{Entry, Runs, Scope, Surface};
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, Executor};
use uuid::Uuid;

/// The organization of the examples.
pub const HOME: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_00f1);

pub struct Examples {
    /// Owns the organization, and is the one that its open invitation is addressed to.
    pub owner: Person,
    /// Concierge staff: sees, changes nothing.
    pub staff: Person,
    /// Owner of another organization.
    pub stranger: Person,
    pub elsewhere: Uuid,
}

impl Examples {
    pub async fn new(world: &World) -> Examples {
        let (owner, staff, stranger, tom) = (person("olga"), person("sam"), person("mallory"), person("tom"));
        for who in [&owner, &staff, &tom] {
            world.gql(who, None, "{ viewer { id } }", json!({})).await.data();
        }
        let elsewhere = world.found(&stranger, "TRUST_OR_LLC").await;
        let examples = Examples { owner, staff, stranger, elsewhere };
        examples.lay(world, "").await;
        examples
    }

    /// Puts the examples' rows back as they were, ready for this procedure.
    pub async fn lay(&self, world: &World, procedure: &str) {
        self.lay_at(world, HOME, "c1", procedure).await;
    }

    /// The same in an organization of its own: ids are one an organization, but for invitations,
    /// which are found across them.
    pub async fn lay_at(&self, world: &World, home: Uuid, invitation: &str, procedure: &str) {
        let archived = procedure == "property/v1/restore";
        let (status, archived_at) = if archived { ("ARCHIVED", "now()") } else { ("ACTIVE", "NULL") };
        let outside = if procedure == "externalParty/v1/restore" { "ARCHIVED" } else { "ACTIVE" };
        let term = if procedure == "membership/v1/expire" { "'2026-01-02'" } else { "NULL" };
        let at = "'2026-01-01T00:00:00Z'::timestamptz";
        let who = |name: &str| format!("(SELECT id FROM principal WHERE subject = '{name}')");
        let (olga, sam, tom) = (who("olga"), who("sam"), who("tom"));
        let over = if procedure == "delegation/v1/expire" { "'2026-01-02'" } else { "NULL" };
        let id = |end: &str| format!("'01920000-0000-7000-8000-0000000000{end}'");
        let home = format!("'{home}'");
        let (property, party, grant) = (id("a1"), id("b1"), id("e1"));
        let (second, portfolio) = (id("a2"), id("21"));
        let member = "INSERT INTO membership (organization_id, id, principal_id, email, role, state, starts_at, ends_at, invited_by, created_at, updated_at)";
        let sql = format!(
            "DELETE FROM engaged_property WHERE organization_id = {home}; DELETE FROM access_grant WHERE organization_id = {home};
             DELETE FROM delegation_item WHERE organization_id = {home}; DELETE FROM delegation WHERE organization_id = {home};
             DELETE FROM ownership WHERE organization_id = {home}; DELETE FROM financial_entry WHERE organization_id = {home};
             DELETE FROM portfolio_property WHERE organization_id = {home};
             DELETE FROM portfolio WHERE organization_id = {home}; DELETE FROM property WHERE organization_id = {home};
             DELETE FROM external_party WHERE organization_id = {home}; DELETE FROM membership WHERE organization_id = {home};
             DELETE FROM org_head WHERE organization_id = {home}; DELETE FROM event WHERE organization_id = {home};
             DELETE FROM operation WHERE organization_id IN ({home}, {olga}, {sam}); DELETE FROM authority_epoch WHERE organization_id = {home};
             DELETE FROM principal WHERE kind IN ('AGENT', 'SERVICE') AND id NOT IN (SELECT principal_id FROM membership WHERE principal_id IS NOT NULL);
             DELETE FROM organization WHERE id = {home};
             INSERT INTO organization (id, type, name, created_at, updated_at) VALUES ({home}, 'TRUST_OR_LLC', 'Alvarez Family Trust', {at}, {at});
             INSERT INTO organization (id, type, name, created_at, updated_at) VALUES ({desk}, 'CONCIERGE_OPERATOR', 'Desert Sky', {at}, {at}) ON CONFLICT DO NOTHING;
             INSERT INTO org_head (organization_id) VALUES ({home});
             {member} VALUES
               ({home}, {owner}, {olga}, NULL, 'OWNER', 'ACTIVE', {at}, NULL, {olga}, {at}, {at}),
               ({home}, {staff}, {sam}, NULL, 'CONCIERGE_STAFF', 'ACTIVE', {at}, NULL, {olga}, {at}, {at}),
               ({home}, {invited}, NULL, 'olga@example.com', 'TRUSTEE', 'INVITED', {at}, NULL, {olga}, {at}, {at}),
               ({home}, {revoked}, {tom}, NULL, 'CO_OWNER', 'ACTIVE', {at}, NULL, {olga}, {at}, {at}),
               ({home}, {due}, {tom}, NULL, 'TRUSTEE', 'ACTIVE', {at}, {term}, {olga}, {at}, {at});
             INSERT INTO external_party (organization_id, id, kind, name, status, created_at, updated_at) VALUES ({home}, {party}, 'HOA', 'Ridge', '{outside}', {at}, {at});
             INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, archived_at, hoa_id, created_at, updated_at)
             VALUES ({home}, {property}, 'LAND', '1 First Street', 'Tucson', 'US', 'America/Phoenix', '{status}', {archived_at}, {party}, {at}, {at});
             INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, created_at, updated_at)
             VALUES ({home}, {second}, 'LAND', '2 Second Street', 'Tucson', 'US', 'America/Phoenix', 'ACTIVE', {at}, {at});
             INSERT INTO portfolio (organization_id, id, name, position, status, created_at, updated_at) VALUES ({home}, {portfolio}, 'Rentals', 1, 'ACTIVE', {at}, {at});
             INSERT INTO portfolio_property (organization_id, portfolio_id, property_id, position, added_at) VALUES ({home}, {portfolio}, {property}, 1, {at});
             INSERT INTO access_grant (organization_id, id, grantee_organization_id, kind, scopes, starts_at, ends_at, granted_by, created_at, updated_at)
             VALUES ({home}, {grant}, {desk}, 'ENGAGEMENT', '{{act}}', {at}, NULL, {olga}, {at}, {at});
             INSERT INTO engaged_property (organization_id, owner_organization_id, property_id, kind, status, line1, locality, country, updated_at)
             VALUES ({home}, {desk}, {property}, 'LAND', 'ACTIVE', '1 First Street', 'Tucson', 'US', {at});
             INSERT INTO ownership (organization_id, id, property_id, holder_name, capacity, share_basis_points, starts_on, recorded_by, created_at, updated_at)
             VALUES ({home}, {ownership}, {property}, 'Olga', 'OWNER', 5000, '2019-04-01', {olga}, {at}, {at});
             INSERT INTO financial_entry (organization_id, id, property_id, kind, amount_minor, currency, booked_on, source, recorded_by, created_at, updated_at)
             VALUES ({home}, {entry}, {property}, 'TAX', -184205, 'USD', '2026-04-30', 'County treasurer', {olga}, {at}, {at});
             INSERT INTO delegation (organization_id, id, holder_id, grantor_id, root_id, actions, may_delegate, starts_at, ends_at, state, created_at, updated_at)
             VALUES ({home}, {delegation}, {tom}, {olga}, {olga}, '{{READ,UPDATE}}', false, {at}, {over}, 'ACTIVE', {at}, {at});
             INSERT INTO delegation_item (organization_id, id, delegation_id, property_id) VALUES ({home}, {delegation}, {delegation}, {property});
             INSERT INTO operation (organization_id, id, procedure, key, fingerprint, initiator, actor, authority, state, outcome, created_at, updated_at)
             VALUES ({home}, {operation}, 'property/v1/create', {operation}, '', {olga}, '{{\"kind\": \"HUMAN\"}}', '{{\"epoch\": 0, \"judged\": \"\", \"decided_at\": \"2026-01-01T00:00:00Z\"}}', 'COMPLETED', '{{\"result\": {{}}}}', {at}, {at});
             INSERT INTO event (organization_id, seq, kind, resource_kind, resource_id, version, actor, actor_kind, actor_organization_id, operation_id, change, at)
             VALUES ({home}, 1, 'property.created', 'property', {property}, 1, {olga}, 'HUMAN', {home}, {operation}, '{{}}', {at});
             UPDATE org_head SET event_seq = 1 WHERE organization_id = {home};
             INSERT INTO feed_head (organization_id, position) VALUES ({home}, 1) ON CONFLICT DO NOTHING;
             INSERT INTO feed_scope (organization_id, source_organization_id, relayed_seq) VALUES ({home}, {home}, 1) ON CONFLICT DO NOTHING;
             INSERT INTO feed (organization_id, position, source_organization_id, seq, at) VALUES ({home}, 1, {home}, 1, {at}) ON CONFLICT DO NOTHING;",
            owner = id("c0"),
            invited = id(invitation),
            revoked = id("c2"),
            due = id("c3"),
            staff = id("c4"),
            operation = id("d1"),
            desk = id("f9"),
            ownership = id("31"),
            entry = id("41"),
            delegation = id("51"),
        );
        let mut connection = world.sql.acquire().await.expect("a connection");
        connection.execute(AssertSqlSafe(sql)).await.expect("the examples' rows");
    }
}

/// Every entry that a surface carries.
pub fn carried() -> impl Iterator<Item = &'static Entry> {
    resolvers::TABLE.iter().filter(|entry| entry.surface() == Surface::Everywhere)
}

pub fn reads_of(entry: &Entry) -> bool {
    entry.runs() == Runs::Read
}

/// The organization that the header names for this entry.
pub fn header_of(entry: &Entry, home: Uuid) -> Option<Uuid> {
    (entry.scope() == Scope::Organization).then_some(home)
}

/// One call of an entry, on both surfaces.
pub struct Call<'a> {
    pub entry: &'static Entry,
    pub who: &'a Person,
    pub organization: Option<&'a str>,
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

    /// `shape` is what RPC answered: it says what to select.
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
        match self.organization {
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

/// Selects what a JSON answer has. A refused call has no shape: its type's name will do.
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
