use crate::prelude::*;
use async_graphql::Object;
use entities::{
    NAMES,
    change::{self, ChangePage},
};
use kind::{Plan, Root};
use schema::{LogId, LogPosition, Nullable, Reading, Reads, Rights, nullable, snapshot, visibility};
use std::{sync::Arc, time::Duration};

#[input]
#[derive(Default)]
pub struct ChangeListInput {
    /// Where one stands. Without it: no changes, and the cursor of now; take that first, then read everything, then ask
    /// for what changed since.
    #[text(100)]
    pub after: Option<String>,
    /// Of these kinds only, such as `property`.
    #[count(0, 50)]
    pub kinds: Option<Vec<String>>,
    /// So many places of the log at the most.
    #[page_size]
    pub first: Option<i32>,
}

impl ChangeListInput {
    async fn read(self, reading: &dyn Reading, rights: Rights, window: Duration) -> Result<ChangePage> {
        let ChangeListInput { after, kinds, first } = self;
        let after = after.map(|text| LogPosition::parse(&text, "after", LogId::of(reading.actor()), rights)).transpose()?;
        let first = first.and_then(|first| u64::try_from(first).ok()).unwrap_or(100);
        change::page(reading, rights, window, after, change::kinds("kinds", kinds)?, first).await
    }
}

pub struct List;

impl Procedure for List {
    const NAME: &'static str = "change/v1/list";
    const ABOUT: &'static str =
        "What changed since a cursor: things as they are now, with marks for what is archived or out of sight.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[Code::INVALID_CURSOR, Code::CURSOR_EXPIRED];
    const ACROSS: bool = true;
    type Input = ChangeListInput;
    type Output = ChangePage;
    type Subject = Listed;

    fn example() -> ChangeListInput {
        ChangeListInput { first: Some(50), ..Default::default() }
    }

    async fn subject(_: &Context, _: &ChangeListInput) -> Result<Listed> {
        Ok(Listed(NAMES))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: ChangeListInput) -> Result<ChangePage> {
        let rights = cx.rights().await?;
        input.read(&cx.proven(&allowed), rights, cx.window()).await
    }
}

#[derive(Default)]
pub struct ChangeQuery;

impl Root for ChangeQuery {
    const PLANS: &'static [Plan] = &[Plan::named("changes", NAMES).across()];
}

#[Object]
impl ChangeQuery {
    #[doc = "What changed since a cursor: things as they are now, with marks for those that are archived and organizations \
             that are out of sight. Without"]
    /// a cursor: no changes, and the cursor of now; take that first, then read everything, then ask for what changed since.
    async fn changes(
        &self,
        cx: &async_graphql::Context<'_>,
        after: Option<String>,
        kinds: Option<Vec<String>>,
        #[graphql(desc = "The most places of the log that are read: 100 if absent, at most 100.")] first: Option<i32>,
    ) -> Nullable<ChangePage> {
        nullable(async {
            let input = ChangeListInput { after, kinds, first };
            schema::input::validate(&input)?;
            let reads = cx.data::<Arc<Reads>>().map_err(|error| schema::Error::internal(error.message))?;
            // The rights are read first, so that a loss of rights meanwhile shows in the next cursor.
            let actor = reads.actor().await?;
            let rights = visibility(reads.gateway(), &actor).await?.rights;
            input.read(&*snapshot(cx).await?, rights, reads.gateway().limits.window).await.map(Some)
        })
        .await
    }
}
