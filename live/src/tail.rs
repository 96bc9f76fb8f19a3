//! Brings the logs that are followed up to date: when it was told, and once a second anyway.

use crate::{Hub, follow::Log, news::News};
use entities::feed;
use schema::{LogId, Result};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, Weak},
};

const PAGE: i64 = 500;

pub(crate) async fn keep(hub: Weak<Hub>) {
    loop {
        let Some(here) = hub.upgrade() else { return };
        let (backstop, mut closing) = (here.settings.backstop, here.closing());
        if *closing.borrow() {
            return;
        }
        let told = tokio::select! {
            () = here.wake.notified() => true,
            () = tokio::time::sleep(backstop) => false,
            () = crate::closed(&mut closing) => return,
        };
        let mut news = std::mem::take(&mut *here.due.lock().unwrap_or_else(PoisonError::into_inner));
        news.anything |= !told;
        if let Err(error) = look(&here, &news).await {
            error.trace();
            // What was told is still to be looked at.
            here.due.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
            drop(here);
            tokio::time::sleep(backstop / 4).await;
        }
    }
}

async fn look(hub: &Arc<Hub>, news: &News) -> Result<()> {
    let (logs, operations) = hub.logs(|logs| if news.anything { logs.held() } else { logs.named(news) });
    for (id, watched) in &operations {
        if news.operations.contains(id) {
            watched.bump();
        }
    }
    if news.anything && !operations.is_empty() {
        let asked: Vec<_> = operations.iter().map(|(id, watched)| (watched.organization, *id)).collect();
        let by_id: HashMap<_, _> = operations.into_iter().collect();
        for (id, at) in feed::operations(&hub.pool, &asked).await? {
            if let Some(watched) = by_id.get(&id) {
                watched.saw(at);
            }
        }
    }
    let mut due: HashMap<LogId, Arc<Log>> = logs.into_iter().map(|log| (log.id, log)).collect();
    while !due.is_empty() {
        let places: Vec<_> = due.values().map(|log| (log.id, log.tail())).collect();
        let mut came: HashMap<LogId, i64> = HashMap::new();
        for (id, entry) in feed::after(&hub.pool, &places, PAGE).await? {
            *came.entry(id).or_default() += 1;
            if let Some(log) = due.get(&id) {
                log.push(entry, hub.settings.kept);
            }
        }
        due.retain(|id, _| came.get(id).is_some_and(|count| *count >= PAGE));
    }
    Ok(())
}
