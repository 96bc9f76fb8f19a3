use crate::prelude::*;
use concierge::work_item::{self, WorkItemCount, WorkItemCountBy};
use kind::{Plan, Root};
use schema::{Nullable, Reading, input, nullable, snapshot};

// One entry a line, so that a new procedure adds one line.
#[rustfmt::skip]
pub const ALL: &[Entry] = &[
    Entry::of::<Get>(),
    Entry::of::<List>(),
    Entry::of::<Counts>(),
];

reads!(
    work_item: WorkItem;
    "One item of the acting desk's queue."
        "workItem/v1/get" WorkItemGetInput, work_item
        "One item of the acting desk's queue.";
    "All that waits for somebody, over all owners who let the acting desk act, a page at a time."
        "workItem/v1/list" WorkItemListInput (DueAsc), work_items
        "All that waits for somebody, over all owners who let the acting desk act.";
    WorkItemQuery
);

#[input]
pub struct WorkItemCountsInput {
    /// What they are counted by.
    #[count(1, 10)]
    pub by: Vec<WorkItemCountBy>,
    /// The time zone of the days: an IANA name; UTC, if absent.
    #[rule(owners::property::time_zone)]
    pub time_zone: Option<String>,
}

async fn counted(reading: &dyn Reading, by: Vec<WorkItemCountBy>, time_zone: Option<String>) -> Result<Vec<WorkItemCount>> {
    work_item::counts(reading, &by, time_zone.as_deref().unwrap_or("UTC")).await
}

/// The numbers of items, as RPC answers them.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema, async_graphql::SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct WorkItemCounted {
    /// One for each value of each measure that was asked for.
    pub counts: Vec<WorkItemCount>,
}

pub struct Counts;

impl Procedure for Counts {
    const NAME: &'static str = "workItem/v1/counts";
    const ABOUT: &'static str = "The numbers of items in the acting desk's queue, by any of several measures.";
    const RUNS: Runs = Runs::Read;
    const ERRORS: &'static [Code] = &[];
    const ROWS: u64 = 500;
    type Input = WorkItemCountsInput;
    type Output = WorkItemCounted;
    type Subject = Listed;

    fn example() -> WorkItemCountsInput {
        WorkItemCountsInput {
            by: vec![WorkItemCountBy::Bucket, WorkItemCountBy::State],
            time_zone: Some("America/Phoenix".into()),
        }
    }

    async fn subject(_: &Context, _: &WorkItemCountsInput) -> Result<Listed> {
        Ok(Listed(&[work_item::KIND]))
    }

    async fn handle(cx: &Context, allowed: Allowed<Listed>, input: WorkItemCountsInput) -> Result<WorkItemCounted> {
        let WorkItemCountsInput { by, time_zone } = input;
        Ok(WorkItemCounted { counts: counted(&cx.proven(&allowed), by, time_zone).await? })
    }
}

#[derive(Default)]
pub struct WorkItemCountsQuery;

impl Root for WorkItemCountsQuery {
    const PLANS: &'static [Plan] = &[Plan::named("work_item_counts", &[work_item::KIND])];
}

#[async_graphql::Object]
impl WorkItemCountsQuery {
    /// The numbers of items in the acting desk's queue, by any of several measures.
    async fn work_item_counts(
        &self,
        cx: &async_graphql::Context<'_>,
        by: Vec<WorkItemCountBy>,
        time_zone: Option<String>,
    ) -> Nullable<WorkItemCounted> {
        let given = WorkItemCountsInput { by: by.clone(), time_zone: time_zone.clone() };
        nullable(async {
            input::validate(&given)?;
            Ok(Some(WorkItemCounted { counts: counted(&*snapshot(cx).await?, by, time_zone).await? }))
        })
        .await
    }
}
