use super::{CASE_HELD_BY_ANOTHER, CHANGE, work::ensure_held};
use crate::prelude::*;
use concierge::{
    case::{self, Case, CaseId},
    case_link::{self, CaseLink, CaseLinkId, CaseLinkKind},
};
use kind::Edit;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, QueryFilter, QuerySelect, sea_query::LockType};

#[input]
pub struct CaseLinkInput {
    pub id: CaseId,
    /// Another case of the same owner.
    pub other_id: CaseId,
    pub kind: CaseLinkKind,
}

pub struct Link;

impl Procedure for Link {
    const NAME: &'static str = "case/v1/link";
    const ABOUT: &'static str = "Says how a case stands to another one of the same owner.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[TAKEN, CASE_HELD_BY_ANOTHER];
    type Input = CaseLinkInput;
    type Output = CaseLink;
    type Subject = Seen<Case>;

    fn example() -> CaseLinkInput {
        CaseLinkInput { id: CaseId::EXAMPLE, other_id: CaseId::SECOND_EXAMPLE, kind: CaseLinkKind::RelatesTo }
    }

    async fn subject(cx: &Context, input: &CaseLinkInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseLinkInput) -> Result<CaseLink> {
        let CaseLinkInput { id, other_id, kind } = input;
        let row = cx.edit_any(allowed);
        ensure_held(cx, &row).await?;
        let (tx, owner) = (cx.tx().await?, row.organization_id);
        if id == other_id {
            return Err(Error::invalid("otherId", "CIRCLE", "a case does not lead to itself"));
        }
        let other = case::by_id(owner, other_id).lock(LockType::Share).one(tx).await?;
        let other = other.ok_or_else(|| Error::invalid("otherId", "NOT_FOUND", "there is no such case"))?;
        ensure_held(cx, &other).await?;
        let there = Condition::all().add(case_link::Column::CaseId.eq(id)).add(case_link::Column::OtherId.eq(other_id));
        let back = Condition::all().add(case_link::Column::CaseId.eq(other_id)).add(case_link::Column::OtherId.eq(id));
        let same = if kind.mutual() { Condition::any().add(there).add(back) } else { there };
        let standing = case_link::of(owner).filter(case_link::Column::Kind.eq(kind)).filter(case_link::Column::EndedAt.is_null());
        if standing.filter(same).one(tx).await?.is_some() {
            return Err(kind::refusal::<CaseLink>(TAKEN));
        }
        if !kind.mutual() && case_link::leads(tx, owner, kind, other_id, id).await? {
            return Err(Error::invalid("otherId", "CIRCLE", "the other case leads back to this one"));
        }
        let link =
            case_link::Fresh { case_id: id, other_id, kind, linked_by: cx.actor.principal, ended_at: None, ended_by: None };
        cx.follow(&row, link, "created", "caseId").await
    }
}

#[input]
pub struct CaseUnlinkInput {
    pub id: CaseId,
    /// The link, from this case or to it.
    pub link_id: CaseLinkId,
}

pub struct Unlink;

impl Procedure for Unlink {
    const NAME: &'static str = "case/v1/unlink";
    const ABOUT: &'static str = "Takes a link between two cases away.";
    const RUNS: Runs = CHANGE;
    const ERRORS: &'static [Code] = &[ENDED, CASE_HELD_BY_ANOTHER];
    type Input = CaseUnlinkInput;
    type Output = CaseLink;
    type Subject = Seen<Case>;

    fn example() -> CaseUnlinkInput {
        CaseUnlinkInput { id: CaseId::EXAMPLE, link_id: CaseLinkId::EXAMPLE }
    }

    async fn subject(cx: &Context, input: &CaseUnlinkInput) -> Result<Self::Subject> {
        Seen::find(cx, input.id).await
    }

    async fn handle(cx: &Context, allowed: Allowed<Self::Subject>, input: CaseUnlinkInput) -> Result<CaseLink> {
        let row = cx.edit_any(allowed);
        ensure_held(cx, &row).await?;
        let link = case_link::by_id(row.organization_id, input.link_id).lock(LockType::NoKeyUpdate).one(cx.tx().await?).await?;
        let link = link.filter(|link| link.case_id == row.id || link.other_id == row.id);
        let link = link.ok_or_else(|| Error::invalid("linkId", "NOT_FOUND", "the case has no such link"))?;
        if link.case_id != row.id
            && let Some(from) = case::by_id(row.organization_id, link.case_id).one(cx.tx().await?).await?
        {
            ensure_held(cx, &from).await?;
        }
        if link.ended_at.is_some() {
            return Err(kind::refusal::<CaseLink>(ENDED));
        }
        let mut link = Edit::following(link);
        link.changed("ended_at");
        link.active.ended_at = Set(Some(cx.now().into()));
        link.active.ended_by = Set(Some(cx.actor.principal));
        cx.save(link, "ended").await
    }
}
