//! Amounts and figures over portfolios: exact, and only over rows that the reader may see.

use crate::harness::{World, person};
use serde_json::{Value, json};

#[tokio::test]
async fn amounts_are_added_up_by_currency_month_and_kind() {
    let world = World::new().await;
    let owner = person("olga");
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    let mut houses = Vec::new();
    for (line, kind) in [("1 First Street", "LAND"), ("2 Second Street", "CONDOMINIUM"), ("3 Third Street", "LAND")] {
        let mut input = World::property(line);
        input["kind"] = json!(kind);
        input["address"]["region"] = json!(if line.starts_with('3') { "NM" } else { "AZ" });
        houses.push(world.call(&owner, home, "property/v1/create", input).await.ok()["id"].clone());
    }
    let group = async |name: &str, members: &[usize]| {
        let id = world.call(&owner, home, "portfolio/v1/create", json!({ "name": name })).await.ok()["id"].clone();
        for member in members {
            world.call(&owner, home, "portfolio/v1/addProperty", json!({ "id": id, "propertyId": houses[*member] })).await.ok();
        }
        id
    };
    let (all, two) = (group("All", &[0, 1, 2]).await, group("Two", &[0, 1]).await);
    let record = async |house: usize, kind: &str, amount: i64, currency: &str, day: &str| {
        let input = json!({ "propertyId": houses[house], "kind": kind, "amountMinor": amount, "currency": currency, "bookedOn": day, "source": "a statement" });
        world.call(&owner, home, "financialEntry/v1/record", input).await
    };
    record(0, "RENT", 120_000, "USD", "2026-01-02").await.ok();
    record(0, "RENT", 120_000, "USD", "2026-01-31").await.ok();
    record(0, "TAX", -50_001, "USD", "2026-02-01").await.ok();
    record(1, "RENT", 70_000, "EUR", "2026-02-28").await.ok();
    record(2, "RENT", 9_999_999_999_999, "USD", "2025-12-31").await.ok();
    let wrong = record(1, "FEES", -1, "USD", "2026-02-02").await.ok().clone();
    let correct = json!({ "id": wrong["id"], "version": 1, "reason": "Missed a zero", "amountMinor": -10 });
    let right = world.call(&owner, home, "financialEntry/v1/correct", correct.clone()).await.ok().clone();
    assert_eq!((&right["correctsId"], &right["amountMinor"]), (&wrong["id"], &json!(-10)));
    let mut again = correct;
    again["version"] = json!(2);
    world.call(&owner, home, "financialEntry/v1/correct", again).await.refused("FINANCIAL_ENTRY_CORRECTED");
    for (kind, amount, currency, field, code) in [
        ("RENT", 0, "USD", "amountMinor", "ZERO"),
        ("RENT", 10_000_000_000_001, "USD", "amountMinor", "TOO_LARGE"),
        ("RENT", 1, "usd", "currency", "INVALID_CURRENCY"),
    ] {
        let refused = record(0, kind, amount, currency, "2026-01-01").await;
        let error = &refused.body["field_errors"][0];
        assert_eq!((&error["field"], &error["code"]), (&json!(field), &json!(code)), "{:#}", refused.body);
    }

    let of = json!({ "id": two, "from": "2026-01-01" });
    let financials = world.rpc(&owner, Some(home), "portfolio/v1/financials", of).await.ok().clone();
    let sum = |currency: &str, month: &str, kind: &str, amount: i64, entries: i64| json!({ "currency": currency, "month": month, "kind": kind, "amountMinor": amount, "entries": entries });
    assert_eq!(
        financials,
        json!({
            "sums": [
                sum("EUR", "2026-02-01", "RENT", 70_000, 1),
                sum("USD", "2026-01-01", "RENT", 240_000, 2),
                sum("USD", "2026-02-01", "FEES", -10, 1),
                sum("USD", "2026-02-01", "TAX", -50_001, 1),
            ],
            "totals": [
                { "currency": "EUR", "incomeMinor": 70_000, "expensesMinor": 0, "netMinor": 70_000 },
                { "currency": "USD", "incomeMinor": 240_000, "expensesMinor": -50_011, "netMinor": 189_989 },
            ],
        })
    );
    let query = "query ($id: ID!) { propertyFinancials(id: $id, until: \"2026-01-31\") { totals { netMinor } } }";
    let one = world.gql(&owner, Some(home), query, json!({ "id": houses[0] })).await;
    assert_eq!(one.data()["propertyFinancials"]["totals"], json!([{ "netMinor": 120_000 }]));
    let nowhere = json!({ "id": "00000000-0000-7000-8000-00000000dead" });
    world.rpc(&owner, Some(home), "property/v1/financials", nowhere.clone()).await.refused("NOT_FOUND");
    world.rpc(&owner, Some(home), "portfolio/v1/financials", nowhere).await.refused("NOT_FOUND");

    // Shares count by the day: two thirds and one third until the end of January, then one of the owners alone.
    for (name, points, from, until) in
        [("Ana", 6_667, "2020-01-01", None), ("Ben", 3_333, "2020-01-01", Some("2026-02-01")), ("Ana", 3_333, "2026-02-01", None)]
    {
        let mut input = json!({ "propertyId": houses[0], "holderName": name, "capacity": "CO_OWNER", "shareBasisPoints": points, "startsOn": from });
        if let Some(until) = until {
            input["endsOn"] = json!(until);
        }
        world.call(&owner, home, "ownership/v1/record", input).await.ok();
    }
    let report = async |by: &str, measure: &str, portfolios: Value| {
        let input = json!({ "portfolioIds": portfolios, "by": by, "measure": measure, "from": "2026-01-01" });
        let rows = world.rpc(&owner, Some(home), "portfolio/v1/report", input).await.ok()["rows"].clone();
        let query = "query ($ids: [ID!], $by: ReportBy!, $measure: ReportMeasure!) { report(portfolioIds: $ids, by: $by, measure: $measure, from: \"2026-01-01\") { rows { key label currency value } } }";
        let gql = world.gql(&owner, Some(home), query, json!({ "ids": portfolios, "by": by, "measure": measure })).await;
        assert_eq!(gql.data()["report"]["rows"], rows, "the same on both surfaces");
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter()
            .map(|row| {
                (
                    row["key"].as_str().map(str::to_owned),
                    row["currency"].as_str().map(str::to_owned),
                    row["value"].as_i64().unwrap_or_default(),
                )
            })
            .collect::<Vec<_>>()
    };
    let row = |key: &str, currency: Option<&str>, value: i64| (Some(key.to_owned()), currency.map(str::to_owned), value);
    // A property in both portfolios is counted once.
    assert_eq!(report("KIND", "PROPERTIES", json!([all, two])).await, [row("CONDOMINIUM", None, 1), row("LAND", None, 2)]);
    assert_eq!(report("REGION", "PROPERTIES", Value::Null).await, [row("AZ", None, 2), row("NM", None, 1)]);
    assert_eq!(report("STATUS", "PROPERTIES", json!([two])).await, [row("ACTIVE", None, 2)]);
    let mut by_portfolio = [row(all.as_str().expect("an id"), None, 3), row(two.as_str().expect("an id"), None, 2)];
    by_portfolio.sort();
    assert_eq!(report("PORTFOLIO", "PROPERTIES", json!([all, two])).await, by_portfolio);
    assert_eq!(
        report("KIND", "NET", json!([all])).await,
        [row("CONDOMINIUM", Some("EUR"), 70_000), row("CONDOMINIUM", Some("USD"), -10), row("LAND", Some("USD"), 189_999)]
    );
    assert_eq!(
        report("KIND", "EXPENSES", json!([two])).await,
        [row("CONDOMINIUM", Some("USD"), -10), row("LAND", Some("USD"), -50_001)]
    );
    // By owner: 240,000 in January by thirds, all of February's tax to Ana; an amount without an owner is told of as such.
    assert_eq!(
        report("OWNER", "NET", json!([two])).await,
        [
            row("Ana", Some("USD"), (240_000 * 6_667 - 50_001 * 10_000) / 10_000),
            row("Ben", Some("USD"), 240_000 * 3_333 / 10_000),
            (None, Some("EUR".to_owned()), 70_000),
            (None, Some("USD".to_owned()), -10),
        ]
    );
    // A share without a recorded owner is told of as nobody's.
    let input = json!({ "propertyId": houses[1], "holderName": "Cleo", "capacity": "CO_OWNER", "shareBasisPoints": 5_000, "startsOn": "2020-01-01" });
    let cleo = world.call(&owner, home, "ownership/v1/record", input).await.ok()["id"].clone();
    let halves = report("OWNER", "NET", json!([two])).await;
    let nobody = (None, Some("EUR".to_owned()), 35_000);
    assert!(halves.contains(&row("Cleo", Some("EUR"), 35_000)) && halves.contains(&nobody), "{halves:?}");
    world.call(&owner, home, "ownership/v1/end", json!({ "id": cleo, "version": 1, "endsOn": "2020-01-02" })).await.ok();
    assert_eq!(report("OWNER", "PROPERTIES", json!([two])).await, [row("Ana", None, 1), (None, None, 1)]);
    let query =
        "{ portfolios(orderBy: NAME_ASC) { edges { node { name report(by: KIND, measure: PROPERTIES) { key value } } } } }";
    let views = world.gql(&owner, Some(home), query, json!({})).await;
    assert_eq!(
        views.data()["portfolios"]["edges"][1]["node"],
        json!({ "name": "Two", "report": [{ "key": "CONDOMINIUM", "value": 1 }, { "key": "LAND", "value": 1 }] })
    );
}

#[tokio::test]
async fn figures_are_made_of_what_the_reader_may_see() {
    let world = World::new().await;
    let (owner, staff, agent) = (person("olga"), person("sam"), person("tom"));
    let home = world.found(&owner, "TRUST_OR_LLC").await;
    world.join(&owner, home, &staff, "CONCIERGE_STAFF").await;
    let (one, two) = (
        world.create_property(&owner, home, "1").await["id"].clone(),
        world.create_property(&owner, home, "2").await["id"].clone(),
    );
    for house in [&one, &two] {
        let input = json!({ "propertyId": house, "kind": "RENT", "amountMinor": 100, "currency": "USD", "bookedOn": "2026-01-02", "source": "x" });
        world.call(&owner, home, "financialEntry/v1/record", input).await.ok();
    }
    let holder = world.principal(&agent).await;
    let grant = json!({ "holderId": holder, "propertyIds": [one], "actions": ["READ_FINANCES"] });
    world.delegate(&owner, home, grant).await;
    let sees = async |who: &crate::harness::Person| {
        let query = "{ count: report(by: KIND, measure: PROPERTIES) { rows { value } } net: report(by: KIND, measure: NET) { rows { value } } financialEntries { totalCount } }";
        let data = world.gql(who, Some(home), query, json!({})).await.data().clone();
        (
            data["count"]["rows"][0]["value"].clone(),
            data["net"]["rows"][0]["value"].clone(),
            data["financialEntries"]["totalCount"].clone(),
        )
    };
    assert_eq!(sees(&owner).await, (json!(2), json!(200), json!(2)));
    assert_eq!(sees(&staff).await, (json!(2), Value::Null, json!(0)), "staff of the organization sees no amounts");
    assert_eq!(sees(&agent).await, (json!(1), json!(100), json!(1)));
    let other = world.rpc(&agent, Some(home), "property/v1/financials", json!({ "id": two })).await;
    other.refused("NOT_FOUND");
}
