//! What the policy's filter costs, beside the query that it filters.

use crate::{Ground, median};
use authz::{Cerbos, Pdp, Principal, Settings};
use queryplan::{Bindings, Rule};
use schema::{Actor, Decide, Error, Mode, OrganizationId, PrincipalId, PrincipalKind, Reach, Role, Sight, Tx};
use sea_orm::{
    ConnectionTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, PostgresQueryBuilder, Query},
};
use serde_json::json;
use server::Fault;
use sqlx::{Executor, PgPool};
use std::{hint::black_box, sync::Arc, time::Duration};
use uuid::Uuid;

const RUNS: usize = 300;

/// 50 organizations with 2,000 properties each.
const ROWS: &str = "
CREATE TEMPORARY TABLE crowd AS SELECT ('01920000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid AS id FROM generate_series(1, 50) n;
INSERT INTO organization (id, type, name, created_at, updated_at) SELECT id, 'TRUST_OR_LLC', 'One of many', now(), now() FROM crowd;
INSERT INTO property (organization_id, id, kind, line1, locality, country, time_zone, status, created_at, updated_at)
  SELECT id, gen_random_uuid(), 'LAND', n || ' First Street', 'Tucson', 'US', 'America/Phoenix', 'ACTIVE', now(), now() FROM crowd, generate_series(1, 2000) n;
VACUUM ANALYZE property;
";

fn told(error: Error) -> Fault {
    format!("{:?}", error.cause()).into()
}

pub async fn run(ground: &Ground) -> Result<(), Fault> {
    let owner = PgPool::connect(&ground.url("postgres")).await?;
    let mut connection = owner.acquire().await?;
    for statement in ROWS.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        connection.execute(statement).await?;
    }
    let home = OrganizationId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0007));
    let nobody = Actor::own_scope(PrincipalId(Uuid::from_u128(1)), PrincipalKind::Human);
    let actor = Actor { roles: vec![Role::Owner, Role::Trustee], organization: home, ..nobody };

    let pdp = Pdp::new(&ground.stack.cerbos_url, Duration::from_secs(2)).map_err(told)?;
    let principal = Principal {
        id: actor.principal.to_string(),
        roles: vec!["principal".into()],
        attributes: json!({ "kind": "HUMAN", "roles": ["OWNER", "TRUSTEE"], "organization": home })
            .as_object()
            .cloned()
            .unwrap_or_default(),
    };
    let plan = pdp.plan(&principal, "read", "property").await.map_err(told)?;
    let resource = entities::resource("property").ok_or("no property")?;
    let rule = Rule::new(&plan, resource, &principal.literal())?;
    let bindings = Bindings { values: [(entities::ACTING, home.0.into())].into(), ..Bindings::default() };

    let planned = median(RUNS, async || pdp.plan(&principal, "read", "property").await.map(drop).map_err(told)).await?;
    let translated = median(RUNS, async || {
        let rule = Rule::new(&plan, resource, &principal.literal())?;
        let condition = rule.condition("property", &bindings)?;
        let select = Query::select().expr(Expr::cust("1")).from(Alias::new("property")).and_where(condition).take();
        black_box(select.build(PostgresQueryBuilder));
        Ok(())
    })
    .await?;
    let row = json!({ "id": Uuid::from_u128(9), "attr": { "relation": "OWN", "kind": "LAND", "status": "ACTIVE" } });
    let now = schema::Clock::now(&schema::SystemClock);
    let thousand = median(RUNS, async || {
        for _ in 0..1_000 {
            black_box(black_box(&rule).allows(black_box(&row), now));
        }
        Ok(())
    })
    .await?;

    let cerbos = Arc::new(Cerbos::new(Settings::new(&ground.stack.cerbos_url)).map_err(told)?);
    cerbos.watch();
    while !cerbos.heard() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let cached = median(RUNS, async || {
        cerbos.query_filter(&actor, "read", "property", Sight::Own).await.map(|filter| drop(black_box(filter))).map_err(told)
    })
    .await?;

    let app = PgPool::connect(&ground.url("hestami_app")).await?;
    let filter = cerbos.query_filter(&actor, "read", "property", Sight::Own).await.map_err(told)?;
    let page = async |filtered: bool| -> Result<(), Fault> {
        let tx = Tx::begin(&app, &Reach::of(home, now), Mode::Read).await.map_err(told)?;
        let mut select = entities::property::of(home).order_by_asc(entities::property::Column::Id).limit(50);
        if filtered {
            select = select.filter(filter.clone());
        }
        let rows = tx.query_all(&select.into_query()).await?;
        if rows.len() == 50 { Ok(()) } else { Err(format!("{} rows", rows.len()).into()) }
    };
    // A B A, so that what warms up or drifts is seen.
    let first = median(RUNS, async || page(true).await).await?;
    let bare = median(RUNS, async || page(false).await).await?;
    let again = median(RUNS, async || page(true).await).await?;

    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |time: Duration| micros(time) / micros(again);
    println!("A list of 50 of 100,000 properties under row security, medians of {RUNS}, one at a time:");
    println!("  {:<58}{:>9.1} µs", "the query with the policy's filter", micros(first));
    println!("  {:<58}{:>9.1} µs  {:>6.3} of the filtered query", "the query without it", micros(bare), ratio(bare));
    println!("  {:<58}{:>9.1} µs", "the query with the policy's filter, again", micros(again));
    println!("  {:<58}{:>9.1} µs  {:>6.3}", "the plan, asked of the PDP", micros(planned), ratio(planned));
    println!("  {:<58}{:>9.1} µs  {:>6.3}", "from plan to SQL text", micros(translated), ratio(translated));
    println!("  {:<58}{:>9.1} µs  {:>6.3}", "the filter by a plan that is kept", micros(cached), ratio(cached));
    println!("  {:<58}{:>9.3} µs  {:>6.5}", "one row decided in memory", micros(thousand) / 1e3, ratio(thousand) / 1e3);
    Ok(())
}
