//! Delegations as rows and policies see them: the actions that can be delegated, and the views that tell which delegations count
//! now.

use crate::{ASKING, ColumnInfo};
use queryplan::{Attribute, Elements, Link, Of, Record, Scalar};
use schema::{Name, OrganizationId, PrincipalId, Result, text_enum};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::collections::HashMap;
use uuid::Uuid;

text_enum!(
    /// What can be delegated over a property.
    DelegatedAction {
        /// To see it, and its history. Goes with every other one.
        Read = "READ",
        /// To change what is known about it.
        Update = "UPDATE",
        /// To put it aside and to take it back.
        Archive = "ARCHIVE",
        /// To see what came in and went out for it.
        ReadFinances = "READ_FINANCES",
        /// To record that; with `READ_FINANCES`, to correct it as well.
        RecordFinances = "RECORD_FINANCES",
        /// To see what was wished for it, and the cases about it with their conversations.
        ReadCases = "READ_CASES",
        /// To say what is wished for it, and to change and withdraw that.
        SubmitIntents = "SUBMIT_INTENTS",
        /// To answer questions and to write in the conversation of a case. `READ_CASES` goes with it.
        Answer = "ANSWER",
    }
);

impl DelegatedAction {
    /// The verbs that the action permits, each with its kind.
    pub const fn allows(self) -> &'static [(&'static str, &'static str)] {
        match self {
            DelegatedAction::Read => &[("event", "read"), ("ownership", "read"), ("portfolio", "read"), ("property", "read")],
            DelegatedAction::Update => &[("property", "update")],
            DelegatedAction::Archive => &[("property", "archive"), ("property", "restore")],
            DelegatedAction::ReadFinances => &[("financial_entry", "read")],
            DelegatedAction::RecordFinances => &[("financial_entry", "record")],
            DelegatedAction::ReadCases => &[
                ("case", "read"),
                ("case_link", "read"),
                ("case_note", "read"),
                ("case_question", "read"),
                ("event", "read"),
                ("intent", "read"),
            ],
            DelegatedAction::SubmitIntents => {
                &[("event", "read"), ("intent", "read"), ("intent", "revise"), ("intent", "submit"), ("intent", "withdraw")]
            }
            DelegatedAction::Answer => &[("case", "answer"), ("case", "addNote")],
        }
    }

    /// The actions that go with it: it is of no use without them.
    pub const fn needs(self) -> &'static [DelegatedAction] {
        match self {
            DelegatedAction::Read => &[],
            DelegatedAction::Answer => &[DelegatedAction::Read, DelegatedAction::ReadCases],
            _ => &[DelegatedAction::Read],
        }
    }

    fn is_leave_for(self, procedure: Name) -> bool {
        let named = |(kind, verb): &(&str, &str)| *verb == procedure.verb && schema::camel_case(kind) == procedure.namespace;
        self.allows().iter().any(named)
    }
}

/// A view of the delegations that count now, over one sort of thing.
struct View {
    name: &'static str,
    /// The column with the thing's id.
    id: &'static str,
}

const PROPERTIES: View = View { name: "delegated_property", id: "property_id" };
const PORTFOLIOS: View = View { name: "delegated_portfolio", id: "portfolio_id" };
/// Properties and portfolios.
const THINGS: View = View { name: "delegated_thing", id: "thing_id" };
const CASES: View = View { name: "delegated_case", id: "case_id" };
/// All that events can be about.
const RESOURCES: View = View { name: "delegated_resource", id: "resource_id" };

const VIEWS: [View; 5] = [PROPERTIES, PORTFOLIOS, THINGS, CASES, RESOURCES];

static PROPERTY: Record = Record { table: PROPERTIES.name, fields: &[] };
static PORTFOLIO: Record = Record { table: PORTFOLIOS.name, fields: &[] };
static THING: Record = Record { table: THINGS.name, fields: &[] };
static CASE: Record = Record { table: CASES.name, fields: &[] };
static RESOURCE: Record = Record { table: RESOURCES.name, fields: &[] };

/// The columns that policies see of a delegation view. None: the name is no such view's.
pub fn columns(view: &str) -> Option<&'static [ColumnInfo]> {
    const COLUMNS: &[ColumnInfo] = &[ColumnInfo::of::<DelegatedAction>("action", "action")];
    VIEWS.iter().any(|known| known.name == view).then_some(COLUMNS)
}

const fn on(to: &'static Record, columns: &'static [(&'static str, &'static str)]) -> Link {
    Link { through: &[], to, on: columns, bound: &[("holder_id", ASKING)] }
}

/// The link from a property.
pub static OF_PROPERTY: Link = on(&PROPERTY, &[("organization_id", "organization_id"), ("id", "property_id")]);
/// The link from a row that hangs on a property.
pub static BESIDE_PROPERTY: Link = on(&PROPERTY, &[("organization_id", "organization_id"), ("property_id", "property_id")]);
/// The link from an event about a thing.
pub static OF_EVENT: Link = on(&RESOURCE, &[("organization_id", "organization_id"), ("resource_id", "resource_id")]);
/// The link from a portfolio.
pub static OF_PORTFOLIO: Link = on(&PORTFOLIO, &[("organization_id", "organization_id"), ("id", "portfolio_id")]);
/// The link from a row about a property or a portfolio, whose id the database keeps in `about_id`.
pub static OF_THING: Link = on(&THING, &[("organization_id", "organization_id"), ("about_id", "thing_id")]);
/// The link from a row that hangs on a case.
pub static OF_CASE: Link = on(&CASE, &[("organization_id", "organization_id"), ("case_id", "case_id")]);

pub const ATTRIBUTE: &str = "delegated";

/// The attribute `delegated` of a row: the actions that were delegated over it to the one who asks.
pub const fn attribute(link: &'static Link) -> Attribute {
    Attribute { name: ATTRIBUTE, of: Of::Many { link, elements: Elements::Values(Scalar::text("action")), order: None } }
}

/// The thing that a delegation must cover to count for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delegable {
    Property(Uuid),
    Portfolio(Uuid),
    /// A property or a portfolio.
    Thing(Uuid),
    Case(Uuid),
    /// Whatever an event is about.
    Resource(Uuid),
}

impl Delegable {
    const fn view(self) -> View {
        match self {
            Delegable::Property(_) => PROPERTIES,
            Delegable::Portfolio(_) => PORTFOLIOS,
            Delegable::Thing(_) => THINGS,
            Delegable::Case(_) => CASES,
            Delegable::Resource(_) => RESOURCES,
        }
    }

    const fn id(self) -> Uuid {
        match self {
            Delegable::Property(id)
            | Delegable::Portfolio(id)
            | Delegable::Thing(id)
            | Delegable::Case(id)
            | Delegable::Resource(id) => id,
        }
    }
}

/// One action that a principal was delegated over a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    pub action: DelegatedAction,
    pub delegation: Uuid,
}

/// The actions over a property or a portfolio that were delegated to a principal and count now.
pub async fn over(
    db: &impl ConnectionTrait,
    organization: OrganizationId,
    what: Delegable,
    holder: PrincipalId,
) -> Result<Vec<Delegated>> {
    let View { name: view, id: column } = what.view();
    let sql = format!(
        "SELECT action, delegation_id FROM {view} WHERE organization_id = $1 AND {column} = $2 AND holder_id = $3 ORDER BY 1, 2"
    );
    let values = [organization.0.into(), what.id().into(), holder.0.into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    rows.iter()
        .map(|row| Ok(Delegated { action: row.try_get("", "action")?, delegation: row.try_get("", "delegation_id")? }))
        .collect()
}

/// The same over many things, by one statement for each kind of them.
pub async fn over_all(
    db: &impl ConnectionTrait,
    what: &[(OrganizationId, Delegable)],
    holder: PrincipalId,
) -> Result<HashMap<(OrganizationId, Delegable), Vec<Delegated>>> {
    let mut found: HashMap<_, Vec<Delegated>> = HashMap::new();
    for View { name: view, id: column } in VIEWS {
        let of_view: Vec<_> = what.iter().filter(|(_, what)| what.view().name == view).collect();
        if of_view.is_empty() {
            continue;
        }
        let organizations: Vec<Uuid> = of_view.iter().map(|(organization, _)| organization.0).collect();
        let ids: Vec<Uuid> = of_view.iter().map(|(_, what)| what.id()).collect();
        let sql = format!(
            "SELECT organization_id, {column} AS id, action, delegation_id FROM {view}
             WHERE organization_id = ANY ($1) AND {column} = ANY ($2) AND holder_id = $3 ORDER BY 3, 4"
        );
        let values = [organizations.into(), ids.into(), holder.0.into()];
        let things: HashMap<(OrganizationId, Uuid), Delegable> =
            of_view.iter().map(|(organization, what)| ((*organization, what.id()), *what)).collect();
        for row in db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await? {
            let organization = OrganizationId(row.try_get("", "organization_id")?);
            let Some(what) = things.get(&(organization, row.try_get("", "id")?)) else { continue };
            let held = Delegated { action: row.try_get("", "action")?, delegation: row.try_get("", "delegation_id")? };
            found.entry((organization, *what)).or_default().push(held);
        }
    }
    Ok(found)
}

/// The delegation that permits a procedure, if one of them does.
pub fn permitting(all: &[Delegated], procedure: Name) -> Option<Uuid> {
    all.iter().find(|one| one.action.is_leave_for(procedure)).map(|one| one.delegation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_leave_for_a_procedure_permits_it() {
        let held = |action: DelegatedAction| Delegated { action, delegation: Uuid::from_u128(action as u128) };
        let all: Vec<Delegated> = DelegatedAction::ALL.iter().copied().map(held).collect();
        for (procedure, action) in [
            ("property/v1/update", Some(DelegatedAction::Update)),
            ("property/v1/restore", Some(DelegatedAction::Archive)),
            ("financialEntry/v2/record", Some(DelegatedAction::RecordFinances)),
            ("intent/v1/revise", Some(DelegatedAction::SubmitIntents)),
            ("case/v1/addNote", Some(DelegatedAction::Answer)),
            // No action permits the same verbs of other kinds.
            ("portfolio/v1/update", None),
            ("externalParty/v1/archive", None),
            ("ownership/v1/record", None),
            // A verb that no action lists stays forbidden to all delegates.
            ("property/v1/create", None),
        ] {
            assert_eq!(
                permitting(&all, Name::of(procedure)),
                action.map(|action| Uuid::from_u128(action as u128)),
                "{procedure}"
            );
        }
        assert_eq!(permitting(&all[..1], Name::of("property/v1/update")), None);
    }
}
