//! The task that reads new entries of followed logs, after each wake-up and once a second anyway.

use crate::{Hub, follow::Log, news::News};
use entities::feed::{self, Content};
use schema::{LogId, Result};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, Weak},
};
use tokio::time::{MissedTickBehavior, interval};

const PAGE: i64 = 500;

pub(crate) async fn run(hub: Weak<Hub>) {
    let Some(mut full) = hub.upgrade().map(|here| interval(here.settings.backstop)) else { return };
    full.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(here) = hub.upgrade() else { return };
        let mut stopped = here.stopped();
        let woken = tokio::select! {
            biased;
            () = crate::closed(&mut stopped) => return,
            // The tick comes first, so that a stream of news cannot delay the full look.
            _ = full.tick() => false,
            () = here.wake.notified() => true,
        };
        let mut news = std::mem::take(&mut *here.due.lock().unwrap_or_else(PoisonError::into_inner));
        news.anything |= !woken;
        if let Err(error) = look(&here, &news).await {
            error.trace();
            // The news is put back, since its entries were not read.
            here.due.lock().unwrap_or_else(PoisonError::into_inner).merge(news);
            let pause = here.settings.backstop / 4;
            drop(here);
            tokio::time::sleep(pause).await;
        }
    }
}

async fn look(hub: &Arc<Hub>, news: &News) -> Result<()> {
    if news.anything {
        hub.answers.sweep();
    }
    let (logs, operations) = hub.logs(|logs| if news.anything { logs.held() } else { logs.named(news) });
    for ((_, id), watched) in &operations {
        if news.operations.contains(id) {
            watched.bump();
        }
    }
    if news.anything && !operations.is_empty() {
        let asked: Vec<_> = operations.iter().map(|(of, _)| *of).collect();
        let by_id: HashMap<_, _> = operations.into_iter().collect();
        for (of, at) in feed::operations(&hub.tail, &asked).await? {
            if let Some(watched) = by_id.get(&of) {
                watched.saw(at);
            }
        }
    }
    let mut due: HashMap<LogId, Arc<Log>> = logs.into_iter().map(|log| (log.id, log)).collect();
    while !due.is_empty() {
        let places: Vec<_> = due.values().map(|log| (log.id, log.tail())).collect();
        let mut came: HashMap<LogId, i64> = HashMap::new();
        for (id, entry) in feed::after(&hub.tail, &places, PAGE).await? {
            if matches!(entry.what, Content::Lost) {
                hub.answers.forget(id, entry.source);
            }
            *came.entry(id).or_default() += i64::from(due.get(&id).is_some_and(|log| log.push(entry, hub.settings.kept)));
        }
        due.retain(|id, _| came.get(id).is_some_and(|count| *count >= PAGE));
    }
    Ok(())
}
