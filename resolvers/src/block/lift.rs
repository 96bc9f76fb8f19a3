use super::{BLOCK_LIFTED, CHANGE};
use crate::prelude::*;
use entities::block::{Block, BlockId};

#[input]
pub struct BlockLiftInput {
    pub id: BlockId,
    /// The version that was read.
    #[version]
    pub version: i32,
    /// Why: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Lift;

impl Procedure for Lift {
    const NAME: &'static str = "block/v1/lift";
    const ABOUT: &'static str = "Lifts a block, at once: what they hold in the organization counts again.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[Code::VERSION_CONFLICT, BLOCK_LIFTED];
    type Input = BlockLiftInput;
    type Output = Block;
    type Subject = Seen<Block>;

    fn example() -> BlockLiftInput {
        BlockLiftInput { id: BlockId::EXAMPLE, version: 1, reason: Some("It was found again".into()) }
    }

    async fn subject(cx: &Context, input: &BlockLiftInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: BlockLiftInput) -> Result<Block> {
        let BlockLiftInput { id: _, version, reason } = input;
        let mut row = cx.edit(allowed, version)?;
        if row.ended_at.is_some() {
            return Err(Error::new(BLOCK_LIFTED));
        }
        let (ended_at, ended_by, end_reason) = (Some(Some(cx.now().into())), Some(Some(cx.actor.principal)), Some(reason));
        patch!(row: ended_at, ended_by, end_reason);
        cx.save(row, "lifted").await
    }
}
