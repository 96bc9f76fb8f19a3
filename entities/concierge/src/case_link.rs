//! Links between the cases of one organization.

use crate::{case::CaseId, prelude::*};
use schema::{Result, Tx};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

schema::id!(
    /// One link between two cases.
    CaseLinkId = 0x1e1
);

text_enum!(
    /// How a case stands to another.
    CaseLinkKind {
        /// Both are about something alike.
        RelatesTo = "RELATES_TO",
        /// Both are about the same; the other goes on.
        DuplicateOf = "DUPLICATE_OF",
        /// It cannot go on before the other is done.
        BlockedBy = "BLOCKED_BY",
        /// It goes on where the other ended.
        Follows = "FOLLOWS",
    }
);

impl CaseLinkKind {
    /// Whether the link says the same in either direction.
    pub const fn mutual(self) -> bool {
        matches!(self, CaseLinkKind::RelatesTo)
    }
}

/// A link from a case to another one of the same owner.
#[kind(
    CaseLink,
    table = "case_link",
    delegated = Case,
    names = case_id,
    changes = [ended_at, ended_by],
)]
pub struct Model {
    pub id: CaseLinkId,
    pub organization_id: OrganizationId,
    /// The case that it leads from.
    pub case_id: CaseId,
    /// The case that it leads to.
    pub other_id: CaseId,
    pub kind: CaseLinkKind,
    /// Who linked them.
    pub linked_by: PrincipalId,
    /// When it was taken away.
    pub ended_at: Option<Time>,
    pub ended_by: Option<PrincipalId>,
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

/// The links from a case, or to it, that stand.
pub fn with(organization: OrganizationId, case: CaseId) -> Select<Entity> {
    let either = sea_orm::Condition::any().add(Column::CaseId.eq(case)).add(Column::OtherId.eq(case));
    of(organization).filter(either).filter(Column::EndedAt.is_null())
}

/// Whether a chain of links of this kind leads from one case to another.
pub async fn leads(tx: &Tx, organization: OrganizationId, kind: CaseLinkKind, from: CaseId, to: CaseId) -> Result<bool> {
    const SQL: &str = "WITH RECURSIVE chain(id) AS (
           SELECT $3::uuid
           UNION
           SELECT l.other_id FROM case_link l JOIN chain ON l.case_id = chain.id
           WHERE l.organization_id = $1 AND l.kind = $2 AND l.ended_at IS NULL)
         SELECT EXISTS (SELECT FROM chain WHERE id = $4) AS yes";
    let values = [organization.0.into(), kind.as_str().into(), from.0.into(), to.0.into()];
    let row = tx.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, SQL, values)).await?;
    Ok(row.map(|row| row.try_get("", "yes")).transpose()?.unwrap_or(false))
}

/// Which links.
#[filter]
pub struct CaseLinkFilter {
    /// From this case, or to it.
    #[by(of_case)]
    pub case_id: Option<CaseId>,
    /// Any of these.
    #[any(Kind)]
    pub kind: Option<Vec<CaseLinkKind>>,
    /// Those that were taken away as well.
    #[unless(EndedAt)]
    pub with_ended: Option<bool>,
}

fn of_case(case: CaseId) -> sea_orm::Condition {
    sea_orm::Condition::any().add(Column::CaseId.eq(case)).add(Column::OtherId.eq(case))
}

orders!(CaseLinkOrder of CaseLinkFilter, else CreatedAsc {
    // Ids are made in the order of their time.
    CreatedAsc = "CREATED_ASC", CreatedDesc = "CREATED_DESC": Id;
});
