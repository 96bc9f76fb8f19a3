//! What is there in the end, as the superuser sees it, beside what the clients remember.

use super::clients::{Book, Client};
use crate::ground::Ground;
use serde_json::Value;
use server::Fault;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;
use uuid::Uuid;

pub async fn feed_knows(ground: &Ground, engaged: usize) -> Result<(), Fault> {
    let began = Instant::now();
    let sql = "SELECT count(*) FROM feed_scope WHERE organization_id <> source_organization_id";
    while usize::try_from(sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut ground.connect().await?).await?)? < engaged {
        if began.elapsed() > Duration::from_secs(10) {
            return Err("the relay does not relay".into());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Every operation ends, and so does what the engine knows of it: nobody waits on purpose here.
pub async fn at_rest(ground: &Ground, book: &Arc<Book>) -> Result<(), Fault> {
    let operations =
        "SELECT state, count(*) FROM operation WHERE state NOT IN ('COMPLETED', 'FAILED', 'CANCELLED') GROUP BY state";
    rests(ground, book, "operations", operations).await?;
    let workflows = "SELECT status, count(*) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED') GROUP BY status";
    rests(ground, book, "workflows", workflows).await
}

async fn rests(ground: &Ground, book: &Arc<Book>, what: &str, sql: &'static str) -> Result<(), Fault> {
    let began = Instant::now();
    loop {
        let open: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&mut ground.connect().await?).await?;
        if open.is_empty() {
            println!("all {what} had ended after {:.1} s", began.elapsed().as_secs_f64());
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(150) {
            book.violated(format!("{what} without an end: {open:?}"));
            return Ok(());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Whatever the time came for was done, and once; what is to come is kept; and the desk's queue holds what waits, and nothing else.
pub async fn on_time(ground: &Ground, book: &Arc<Book>) -> Result<(), Fault> {
    let late = "SELECT procedure, count(*) FROM deadline WHERE at < now() - interval '2 seconds' GROUP BY procedure";
    rests(ground, book, "timers", late).await?;
    let mut sql = ground.connect().await?;
    for (wrong, look) in [
        (
            "a question whose time came, and of which nobody was reminded",
            "SELECT id FROM case_question WHERE state = 'OPEN' AND due_at < now() - interval '10 seconds' AND reminded_at IS NULL",
        ),
        (
            "a case that waited, and of which nobody was told",
            "SELECT id FROM concierge_case WHERE state = 'WAITING_EXTERNAL' AND waiting_until < now() - interval '10 seconds' AND NOT 'WAIT_OVER' = ANY (told)",
        ),
        (
            "a case that did not close",
            "SELECT id FROM concierge_case WHERE state = 'RESOLVED' AND closes_at < now() - interval '10 seconds'",
        ),
        (
            "a time that is not kept",
            "SELECT id FROM concierge_case c FULL JOIN (SELECT id, at FROM deadline WHERE procedure = 'case/v1/advance') d USING (id)
             WHERE c.next_at IS DISTINCT FROM d.at",
        ),
        (
            "something that was done twice",
            "SELECT resource_id FROM event WHERE kind IN ('case.closed', 'case_question.reminded', 'case_question.escalated')
             GROUP BY kind, resource_id HAVING count(*) > 1",
        ),
        (
            "something that waits, or waits no more, and the queue does not know",
            "WITH there AS (SELECT i.* FROM concierge_case r, LATERAL app.items_of_concierge_case(r, NULL) i
               UNION ALL SELECT i.* FROM case_question r, LATERAL app.items_of_case_question(r, NULL) i)
             (SELECT item_id FROM (TABLE there EXCEPT TABLE work_item) a) UNION ALL (SELECT item_id FROM (TABLE work_item EXCEPT TABLE there) b)",
        ),
    ] {
        for id in sqlx::query_scalar::<_, Uuid>(look).fetch_all(&mut sql).await? {
            book.violated(format!("{wrong}: {id}"));
        }
    }
    let counts = "SELECT kind, count(*) FROM event WHERE resource_kind IN ('case', 'case_question') GROUP BY kind ORDER BY kind";
    let counts: Vec<(String, i64)> = sqlx::query_as(counts).fetch_all(&mut sql).await?;
    println!("cases: {counts:?}");
    Ok(())
}

/// What stands still, for whoever looks into it.
pub async fn explain(ground: &Ground, book: &Arc<Book>) -> Result<(), Fault> {
    let mut sql = ground.connect().await?;
    for look in [
        "SELECT concat_ws(' ', procedure, state, attempt, updated_at, now()) FROM operation WHERE outcome IS NULL",
        "SELECT concat_ws(' ', workflow_uuid, status, executor_id, recovery_attempts) FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')",
        "SELECT concat_ws(' ', id, heartbeat_at, ended_at) FROM replica",
        "SELECT concat_ws(' ', pid, usename, state, wait_event_type, wait_event, now() - state_change, left(query, 120)) FROM pg_stat_activity
         WHERE datname = current_database() AND state <> 'idle'",
    ] {
        let rows: Vec<String> = sqlx::query_scalar(look).fetch_all(&mut sql).await?;
        eprintln!("{look}\n{rows:#?}");
    }
    book.with(|kept| eprintln!("answers {:?}", kept.answers));
    Ok(())
}

pub async fn acknowledged(ground: &Ground, book: &Arc<Book>) -> Result<(), Fault> {
    let mut sql = ground.connect().await?;
    let rows: Vec<(Uuid, String, Uuid)> =
        sqlx::query_as("SELECT organization_id, line1, id FROM property").fetch_all(&mut sql).await?;
    let mut by_street: HashMap<String, Vec<(Uuid, Uuid)>> = HashMap::new();
    for (organization, street, id) in rows {
        by_street.entry(street).or_default().push((organization, id));
    }
    let operations: Vec<(Uuid, Uuid, String)> =
        sqlx::query_as("SELECT organization_id, key, state FROM operation WHERE procedure = 'property/v1/create'")
            .fetch_all(&mut sql)
            .await?;
    let mut states: HashMap<(Uuid, Uuid), Vec<String>> = HashMap::new();
    for (organization, key, state) in operations {
        states.entry((organization, key)).or_default().push(state);
    }
    let (acknowledged, given_up) = book.with(|kept| (kept.acknowledged.clone(), kept.given_up.clone()));
    let none = Vec::new();
    for (key, street, organization, id) in &acknowledged {
        let found = by_street.get(street).unwrap_or(&none);
        let right = matches!(found[..], [(of, it)] if of == *organization && it.to_string() == *id);
        if !right || states.get(&(*organization, *key)).is_none_or(|states| states[..] != ["COMPLETED"]) {
            book.violated(format!("{street} was acknowledged as {id} of {organization}; there is {found:?}"));
        }
    }
    for (key, street, organization) in &given_up {
        let found = by_street.get(street).unwrap_or(&none);
        let completed = states.get(&(*organization, *key)).is_some_and(|states| states[..] == ["COMPLETED"]);
        if found.len() > 1 || found.iter().any(|(of, _)| of != organization) || (found.len() == 1) != completed {
            book.violated(format!("{street} of {organization} was given up; there is {found:?}, completed: {completed}"));
        }
    }
    // A change is there, or one that came after it, and no other took its version.
    let rows: Vec<(Uuid, i32, Option<String>)> =
        sqlx::query_as("SELECT id, version, notes FROM property").fetch_all(&mut sql).await?;
    let now: HashMap<String, (i64, Option<String>)> =
        rows.into_iter().map(|(id, version, notes)| (id.to_string(), (version.into(), notes))).collect();
    let changed = book.with(|kept| kept.changed.clone());
    let mut versions = std::collections::HashSet::new();
    for (id, version, note) in &changed {
        let right = match now.get(id) {
            Some((at, notes)) if at == version => notes.as_ref() == Some(note),
            Some((at, _)) => at > version,
            None => false,
        };
        if !right || !versions.insert((id, version)) {
            book.violated(format!("{id} was changed to {note:?} as version {version}; there is {:?}", now.get(id)));
        }
    }
    println!("{} changes were acknowledged", changed.len());
    Ok(())
}

/// Nothing is there that nobody asked for.
pub async fn unasked(ground: &Ground, book: &Arc<Book>) -> Result<(), Fault> {
    let streets: Vec<String> = sqlx::query_scalar("SELECT line1 FROM property").fetch_all(&mut ground.connect().await?).await?;
    let (acknowledged, given_up) = book.with(|kept| (kept.acknowledged.clone(), kept.given_up.clone()));
    let asked = acknowledged.iter().map(|(_, street, ..)| street).chain(given_up.iter().map(|(_, street, _)| street));
    let asked: std::collections::HashSet<&String> = asked.collect();
    for street in streets.iter().filter(|street| !asked.contains(street)) {
        book.violated(format!("nobody asked for {street}"));
    }
    Ok(())
}

/// What a follower of one organization, or of all that engaged it, was told: whose place, and which.
pub type Told = (Option<Uuid>, Vec<(String, i64)>);

/// As much was told to every follower as there is; whether it is the same is looked at when they have ended.
pub async fn heard(ground: &Ground, followers: &[(Option<Uuid>, Arc<AtomicUsize>)]) -> Result<(), Fault> {
    let sql = "SELECT count(*) FROM event WHERE resource_kind = 'property' AND (organization_id = $1 OR ($1 IS NULL
        AND organization_id IN (SELECT source_organization_id FROM feed_scope WHERE organization_id <> source_organization_id)))";
    let mut connection = ground.connect().await?;
    let began = Instant::now();
    for (home, heard) in followers {
        let places: i64 = sqlx::query_scalar(sql).bind(home).fetch_one(&mut connection).await?;
        while heard.load(Ordering::Relaxed) < usize::try_from(places)? {
            if began.elapsed() > Duration::from_secs(60) {
                let heard = heard.load(Ordering::Relaxed);
                println!("after a minute a follower of {home:?} was told of {heard} of {places} places");
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    println!("all followers were told after {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// Every follower was told every event once, in order.
pub async fn told(ground: &Ground, book: &Arc<Book>, homes: &[Uuid], told: Vec<Told>) -> Result<(), Fault> {
    let mut sql = ground.connect().await?;
    let mut log: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for home in homes {
        let events = "SELECT seq FROM event WHERE organization_id = $1 AND resource_kind = 'property' ORDER BY seq";
        log.insert(home.to_string(), sqlx::query_scalar(events).bind(home).fetch_all(&mut sql).await?);
    }
    let engaged: Vec<Uuid> =
        sqlx::query_scalar("SELECT source_organization_id FROM feed_scope WHERE organization_id <> source_organization_id")
            .fetch_all(&mut sql)
            .await?;
    let mut places = 0;
    for (home, heard) in told {
        places += heard.len();
        let mut by_home: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (of, seq) in heard {
            by_home.entry(of).or_default().push(seq);
        }
        let expected: Vec<String> =
            home.map_or_else(|| engaged.iter().map(Uuid::to_string).collect(), |home| vec![home.to_string()]);
        for of in &expected {
            let (heard, log) = (by_home.remove(of).unwrap_or_default(), log.get(of).cloned().unwrap_or_default());
            if heard != log {
                let missing: Vec<_> = log.iter().filter(|seq| !heard.contains(seq)).take(5).collect();
                book.violated(format!(
                    "a follower of {of} was told of {} places of {}, without {missing:?} …",
                    heard.len(),
                    log.len()
                ));
            }
        }
        if !by_home.is_empty() {
            book.violated(format!("a follower was told of {:?}", by_home.keys()));
        }
    }
    println!("{places} places were told");
    Ok(())
}

/// A copy that was kept by changes is what is there.
pub async fn copy(ground: &Ground, book: &Arc<Book>, owner: &Client, copy: HashMap<String, Value>) -> Result<(), Fault> {
    let rows: Vec<(Uuid, i32, Option<String>)> =
        sqlx::query_as("SELECT id, version, notes FROM property WHERE organization_id = $1")
            .bind(owner.organization)
            .fetch_all(&mut ground.connect().await?)
            .await?;
    if rows.len() != copy.len() {
        book.violated(format!("a copy has {} of {}", copy.len(), rows.len()));
    }
    for (id, version, notes) in rows {
        let kept = copy.get(&id.to_string());
        let same = kept.is_some_and(|kept| kept["version"] == version && kept["notes"].as_str() == notes.as_deref());
        if !same {
            book.violated(format!("a copy has {kept:?}; there is version {version} with {notes:?}"));
        }
    }
    Ok(())
}
