use super::{CHANGE, INTENT_ENDED, end, ensure_open};
use crate::{
    case::{Opening, opened},
    prelude::*,
};
use concierge::{
    case::Case,
    intent::{Intent, IntentId, IntentState},
    matter::Priority,
};
use sea_orm::ActiveValue::Set;

#[input]
pub struct IntentConvertToCaseInput {
    pub id: IntentId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// What the case is called; the outcome that is wanted, or the first words of the wish, if absent.
    #[text(200)]
    pub title: Option<String>,
    /// How urgent the case is; as the wish was classified, if absent.
    pub priority: Option<Priority>,
}

pub struct ConvertToCase;

impl Procedure for ConvertToCase {
    const NAME: &'static str = "intent/v1/convertToCase";
    const ABOUT: &'static str = "Makes a case of a wish that was classified. The case keeps the wish with it.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, INTENT_ENDED, schema::INVALID_TRANSITION];
    type Input = IntentConvertToCaseInput;
    type Output = Case;
    type Subject = Seen<Intent>;

    fn example() -> IntentConvertToCaseInput {
        IntentConvertToCaseInput { id: IntentId::CLASSIFIED_EXAMPLE, version: 1, title: None, priority: None }
    }

    async fn subject(cx: &Context, input: &IntentConvertToCaseInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: IntentConvertToCaseInput) -> Result<Case> {
        let mut row = cx.edit(allowed, input.version)?;
        ensure_open(&row)?;
        let state = row.state.to(IntentState::Converted)?;
        let fresh = opened(
            cx,
            Opening {
                title: input.title.unwrap_or_else(|| called(&row)),
                description: Some(row.text.clone()),
                kind: row.kind,
                property_id: row.property_id,
                portfolio_id: row.portfolio_id,
                priority: input.priority.or(row.urgency),
                intent: Some(&row),
                desk: None,
            },
        )
        .await?;
        let case = cx.follow(&row, fresh, "created", "intentId").await?;
        row.refers("caseId", case.id.0);
        row.active.case_id = Set(Some(case.id));
        end(cx, &mut row, state, None);
        cx.save(row, "converted").await?;
        Ok(case)
    }
}

/// The most letters of a title that is made of a wish.
const TITLE: usize = 80;

/// The name of a case that comes of a wish: the outcome that is wanted, else its first words.
fn called(intent: &Intent) -> String {
    let text = intent.wanted.as_deref().unwrap_or(&intent.text);
    let line = text.trim().lines().next().unwrap_or(text).trim();
    if line.chars().count() <= TITLE {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE).collect();
    let whole = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", whole.trim_end_matches([',', ';', '.']))
}
