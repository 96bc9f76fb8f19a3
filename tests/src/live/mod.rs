//! Subscriptions: every change is told to all who may see it, at once, in order, and never twice.

mod rights;
mod slow;
mod transports;

use crate::harness::{Options, Person, Socket, World, person, subscriber::Heard, until};
use serde_json::{Value, json};
use uuid::Uuid;

pub const PROPERTIES: &str =
    "subscription ($after: String, $filter: PropertyChangeFilter) { propertyChanged(after: $after, filter: $filter) {
    cursor change organizationId propertyId property { id notes address { line1 } } event { seq kind fields actor { displayName } } } }";
pub const ALL: &str = "subscription ($after: String, $filter: EventFilter) { events(after: $after, filter: $filter) {
    cursor change organizationId resourceKind resourceId node { __typename id } event { seq kind } } }";

async fn socket(world: &World, who: &Person, organization: Uuid) -> Socket {
    Socket::open(&world.app.url(), who, Some(organization), None).await.expect("it opens")
}

async fn subscribed(world: &World, who: &Person, organization: Uuid, query: &str, variables: Value) -> Socket {
    let mut socket = socket(world, who, organization).await;
    socket.subscribe("s", query, variables).await;
    socket.standing().await;
    socket
}

async fn note(world: &World, who: &Person, home: Uuid, property: &Value, version: i32, note: &str) {
    world.call(who, home, "property/v1/update", json!({ "id": property["id"], "version": version, "notes": note })).await.ok();
}

fn kinds(told: &Value) -> (&str, &str) {
    (told["change"].as_str().unwrap_or_default(), told["event"]["kind"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn filters_keep_to_what_is_asked() {
    let world = World::new().await;
    let (olga, home) = (person("olga"), world.found(&person("olga"), "TRUST_OR_LLC").await);
    let first = world.create_property(&olga, home, "1").await;
    let second = world.create_property(&olga, home, "2").await;
    let portfolio = world.call(&olga, home, "portfolio/v1/create", json!({ "name": "Rentals" })).await.ok().clone();
    let mut inside = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "portfolioId": portfolio["id"] } })).await;
    let mut updates = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "kinds": ["property.updated"] } })).await;
    let mut one = subscribed(&world, &olga, home, PROPERTIES, json!({ "filter": { "propertyIds": [second["id"]] } })).await;
    let portfolios = "subscription { portfolioChanged { change portfolio { name } event { kind } } }";
    let mut grouped = subscribed(&world, &olga, home, portfolios, json!({})).await;
    let about = json!({ "filter": { "resourceKinds": ["portfolio"] } });
    let mut about_portfolios = subscribed(&world, &olga, home, ALL, about).await;

    note(&world, &olga, home, &second, 1, "outside").await;
    let place = json!({ "id": portfolio["id"], "propertyId": first["id"] });
    // Each change is heard before the next is done, because the thing is told as it is by then, inside or not.
    let mut told = async |expected: (&str, &str)| {
        let told = inside.next().await;
        assert_eq!((kinds(&told), &told["propertyId"]), (expected, &first["id"]), "{told:#}");
    };
    world.call(&olga, home, "portfolio/v1/addProperty", place.clone()).await.ok();
    told(("CHANGED", "portfolio.property_added")).await;
    note(&world, &olga, home, &first, 1, "inside").await;
    told(("CHANGED", "property.updated")).await;
    world.call(&olga, home, "portfolio/v1/removeProperty", place).await.ok();
    told(("GONE", "portfolio.property_removed")).await;
    note(&world, &olga, home, &second, 2, "second").await;

    for about in [&second, &first, &second] {
        let told = updates.next().await;
        assert_eq!((kinds(&told).1, &told["propertyId"]), ("property.updated", &about["id"]));
    }
    for _ in 0..2 {
        assert_eq!(one.next().await["propertyId"], second["id"]);
    }
    for expected in ["portfolio.property_added", "portfolio.property_removed"] {
        let told = grouped.next().await;
        assert_eq!((&told["event"]["kind"], &told["portfolio"]["name"]), (&json!(expected), &json!("Rentals")));
        assert_eq!(about_portfolios.next().await["resourceKind"], "portfolio");
    }
}

#[tokio::test]
async fn an_operation_is_followed_to_its_end() {
    let gate = crate::harness::Gate::at(schema::Boundary::AfterClaim);
    let world = World::new().await;
    let (olga, oscar) = (person("olga"), person("oscar"));
    let home = world.found(&olga, "TRUST_OR_LLC").await;
    let elsewhere = world.found(&oscar, "TRUST_OR_LLC").await;
    // The operation runs on another replica than the one that is asked.
    let held = world.replica(Options { faults: gate.clone(), ..Options::default() }).await;
    let mut body = World::property("1");
    body["idempotencyKey"] = world.key().to_string().into();
    let held_url = held.url();
    let create = world.rpc_at(&held_url, &olga, Some(home), "property/v1/create", body);
    let follow = async {
        let id: Uuid = until("the operation", async || {
            let sql = "SELECT id FROM operation WHERE procedure = 'property/v1/create'";
            sqlx::query_scalar(sql).fetch_optional(&world.sql).await.expect("rows")
        })
        .await;
        let query = "subscription ($id: ID!) { operationChanged(id: $id) { id state } }";
        let mut socket = socket(&world, &olga, home).await;
        socket.subscribe("s", query, json!({ "id": id })).await;
        assert_eq!(socket.next().await, json!({ "id": id, "state": "RUNNING" }));
        // An operation of another organization is not there.
        let mut stranger = self::socket(&world, &oscar, elsewhere).await;
        stranger.subscribe("s", query, json!({ "id": id })).await;
        assert_eq!(stranger.ends().await.0, "NOT_FOUND");
        gate.open();
        assert_eq!(socket.next().await, json!({ "id": id, "state": "COMPLETED" }));
        assert_eq!(socket.hear().await, Heard::Message(json!({ "id": "s", "type": "complete" })));
        socket.subscribe("t", query, json!({ "id": id })).await;
        assert_eq!(socket.next().await["state"], "COMPLETED");
        assert_eq!(socket.hear().await.message()["type"], "complete");
    };
    let (created, ()) = tokio::join!(create, follow);
    created.ok();
}
