//! What the policy's filter costs, beside the query that it filters.

use crate::{
    ground::{Asker, Ground, property},
    median,
    report::Report,
};
use authz::{Cerbos, Pdp, Principal, Settings};
use queryplan::{Bindings, Rule};
use schema::{
    Actor, Check, Decide, Error, Lanes, Mode, OrganizationId, PrincipalId, PrincipalKind, Reach, Resource, Role, Sight, Tx,
};
use sea_orm::{
    ConnectionTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Alias, Expr, PostgresQueryBuilder, Query},
};
use serde_json::json;
use server::Fault;
use sqlx::PgPool;
use std::{hint::black_box, sync::Arc, time::Duration};
use uuid::Uuid;

const RUNS: usize = 300;

fn told(error: Error) -> Fault {
    format!("{:?}", error.cause()).into()
}

pub async fn run(ground: &Ground, asker: &Asker, report: &mut Report) -> Result<(), Fault> {
    let home = OrganizationId(asker.organization);
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
    let resource = entities::kind("property").ok_or("no property")?.resource;
    let rule = Rule::new(&plan, resource, &principal.literal())?;
    let bindings = Bindings {
        values: [(kind::ACTING, home.0.into()), (kind::ASKING, actor.principal.0.into())].into(),
        ..Bindings::default()
    };

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

    let app = Lanes::over(PgPool::connect(&ground.url("hestami_app")).await?);
    let filter = cerbos.query_filter(&actor, "read", "property", Sight::Own).await.map_err(told)?;
    let page = async |filtered: bool| -> Result<(), Fault> {
        let tx = Tx::begin(&app, &Reach::of(home, now), Mode::Read).await?;
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

    let fifty: Vec<Check> = (0..50)
        .map(|k| Check {
            action: "update",
            resource: Resource {
                kind: "property",
                id: property(asker.n, k),
                attributes: json!({ "relation": "OWN", "kind": "LAND", "status": "ACTIVE", "delegated": [] }),
                version: Some(1),
            },
        })
        .collect();
    let asked = median(RUNS, async || {
        let allowed = cerbos.check(&actor, &fifty).await.map_err(told)?;
        if allowed.len() == 50 && allowed.iter().all(|allowed| *allowed) { Ok(()) } else { Err("it was refused".into()) }
    })
    .await?;

    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let ratio = |time: Duration| micros(time) / micros(again);
    report.line(format!(
        "A1: a page of 50 properties with the policy's filter {:.0} and {:.0} µs, without it {:.0} µs (A B A, medians of {RUNS}, one at a time); the plan asked of the PDP {:.0} µs ({:.2} of that page), from plan to SQL {:.1} µs, the filter by a plan that is kept {:.1} µs, one row decided in memory {:.3} µs; 50 resources asked of the PDP in one call {:.0} µs ({:.2}).",
        micros(first),
        micros(again),
        micros(bare),
        micros(planned),
        ratio(planned),
        micros(translated),
        micros(cached),
        micros(thousand) / 1e3,
        micros(asked),
        ratio(asked),
    ));
    Ok(())
}
