use super::{BLOCK_EXISTS, CHANGE};
use crate::{membership::MEMBERSHIP_LAST_OWNER, prelude::*};
use entities::{
    block::{self, Block, Fresh},
    membership::{self, MembershipId},
    organization,
};
use sea_orm::{QuerySelect, sea_query::LockType};

/// Name them by exactly one of `membershipId` and `principalId`.
#[input(one_of(membership_id, principal_id))]
pub struct BlockCreateInput {
    /// One of their memberships.
    pub membership_id: Option<MembershipId>,
    /// A member, or somebody to whom something is delegated.
    pub principal_id: Option<PrincipalId>,
    /// Why: kept for good.
    #[text(1_000)]
    pub reason: Option<String>,
}

pub struct Create;

impl Procedure for Create {
    const NAME: &'static str = "block/v1/create";
    const ABOUT: &'static str =
        "Blocks a person or a machine in the organization, at once: they may do nothing here until it is lifted.";
    const RUNS: Runs = CHANGE;
    const CHANGES_RIGHTS: bool = true;
    const ERRORS: &'static [Code] = &[BLOCK_EXISTS, MEMBERSHIP_LAST_OWNER];
    type Input = BlockCreateInput;
    type Output = Block;
    type Subject = New<Fresh>;

    fn example() -> BlockCreateInput {
        BlockCreateInput {
            membership_id: Some(MembershipId::EXAMPLE),
            principal_id: None,
            reason: Some("The phone was stolen".into()),
        }
    }

    async fn subject(cx: &Context, input: &BlockCreateInput) -> Result<New<Fresh>> {
        let BlockCreateInput { membership_id, principal_id, reason } = input.clone();
        let tx = cx.tx().await?;
        let named = match membership_id {
            Some(id) => membership::by_id(cx.owner(), id).one(tx).await?.and_then(|row| row.principal_id),
            None => principal_id,
        };
        let who = named.unwrap_or(PrincipalId::NOBODY);
        let standing = block::standing(tx, who).await?;
        let fresh = Fresh {
            // Whoever has nothing to do with the organization is told of once the policies have let the caller ask.
            principal_id: if standing.is_some() { who } else { PrincipalId::NOBODY },
            blocked_by: cx.actor.principal,
            reason,
            of_owner: standing.unwrap_or_default(),
            ended_at: None,
            ended_by: None,
            end_reason: None,
        };
        Ok(New::of(cx, fresh))
    }

    async fn handle(cx: &Context, allowed: Allowed<New<Fresh>>, input: BlockCreateInput) -> Result<Block> {
        let fresh = allowed.subject().fresh();
        let field = if input.membership_id.is_some() { "membershipId" } else { "principalId" };
        if fresh.principal_id == PrincipalId::NOBODY {
            return Err(Error::invalid(field, "NOT_FOUND", "nobody like that is a member, or has a delegation, here"));
        }
        if fresh.principal_id == cx.actor.principal {
            return Err(Error::invalid(field, "YOURSELF", "one does not block oneself"));
        }
        if fresh.of_owner {
            // Two who block each other at once take turns at this lock.
            let tx = cx.tx().await?;
            organization::of(cx.organization()).lock(LockType::NoKeyUpdate).one(tx).await?;
            if !block::leaves_owner(tx, fresh.principal_id, cx.now()).await? {
                return Err(Error::new(MEMBERSHIP_LAST_OWNER));
            }
        }
        cx.create_as(allowed, "created").await.taken("block_open", || Error::new(BLOCK_EXISTS))
    }
}
