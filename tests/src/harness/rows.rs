//! The rows that every procedure's own `example()` works on. A kind gives its row by `sample`. A kind whose row names a
//! principal, and a table of no kind, have a line here.

use entities::{
    block::BlockId, case::CaseId, case_link::CaseLinkId, case_note::CaseNoteId, case_question::CaseQuestionId,
    delegation::DelegationId, external_party::ExternalPartyId, financial_entry::FinancialEntryId, intent::IntentId,
    internal_note::InternalNoteId, membership::MembershipId, ownership::OwnershipId, portfolio::PortfolioId,
    property::PropertyId, service_level::ServiceLevelId, work_item::WorkItemId,
};
use schema::{AccessGrantId, OperationId, OrganizationId};
use serde_json::{Value, json};
use uuid::Uuid;

/// The time of all rows.
pub const AT: &str = "2026-01-01T00:00:00Z";
/// A deadline that has passed.
const PASSED: &str = "2026-01-02T00:00:00Z";

/// The principals whom rows name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Principals {
    /// The owner of the organization.
    pub olga: Uuid,
    /// Concierge staff.
    pub sam: Uuid,
    /// A co-owner, who holds a delegation.
    pub tom: Uuid,
}

/// The grant by which an example's own organization works for the desk's, as it has an item of it in its queue.
pub const LET_IN: uuid::Uuid = uuid::Uuid::from_u128(0x0100_0000_0000_7000_8000_0000_0000_00e3);

/// The rows of one organization, each with its table; a row comes after those that it refers to. Organization and times are
/// filled in where the table has them.
pub fn rows(principals: &Principals) -> Vec<(&'static str, Value)> {
    let Principals { olga, sam, tom } = principals;
    let desk = OrganizationId::CONCIERGE_EXAMPLE;
    let (property, portfolio, party) = (PropertyId::EXAMPLE, PortfolioId::EXAMPLE, ExternalPartyId::EXAMPLE);
    let (operation, delegation) = (OperationId::EXAMPLE, DelegationId::EXAMPLE);
    let member = |id: MembershipId, principal: Option<&Uuid>, role: &str| {
        let (state, email) = if principal.is_some() { ("ACTIVE", None) } else { ("INVITED", Some("olga@example.com")) };
        let row = json!({ "id": id, "principal_id": principal, "email": email, "role": role, "state": state, "starts_at": AT, "invited_by": olga });
        ("membership", row)
    };
    let mut rows = vec![
        ("organization", json!({ "id": OrganizationId::EXAMPLE, "type": "TRUST_OR_LLC", "name": "Alvarez Family Trust" })),
        ("org_head", json!({ "event_seq": 1 })),
        member(MembershipId::EXAMPLE, Some(tom), "CO_OWNER"),
        member(MembershipId(schema::example(0xc0)), Some(olga), "OWNER"),
        member(MembershipId::INVITED_EXAMPLE, None, "TRUSTEE"),
        member(MembershipId::DUE_EXAMPLE, Some(tom), "TRUSTEE"),
        member(MembershipId(schema::example(0xc4)), Some(sam), "CONCIERGE_STAFF"),
    ];
    rows.extend(entities::KINDS.iter().filter_map(|kind| Some((kind.resource.table, kind.api?.sample()?))));
    rows.extend([
        ("property", address(property, "1 First Street", Some(party))),
        ("property", address(PropertyId::SECOND_EXAMPLE, "2 Second Street", None)),
        ("portfolio_property", json!({ "portfolio_id": portfolio, "property_id": property, "position": 1, "added_at": AT })),
        (
            "access_grant",
            json!({ "id": AccessGrantId::EXAMPLE, "grantee_organization_id": desk, "kind": "ENGAGEMENT", "scopes": ["act"], "asked_from": AT,
                "starts_at": AT, "accepted_at": AT, "granted_by": olga }),
        ),
        (
            "access_grant",
            json!({ "id": AccessGrantId::OFFERED_EXAMPLE, "organization_id": desk, "grantee_organization_id": OrganizationId::EXAMPLE,
                "kind": "ENGAGEMENT", "scopes": ["read"], "asked_from": AT, "granted_by": sam }),
        ),
        (
            "access_grant",
            json!({ "id": LET_IN, "organization_id": desk, "grantee_organization_id": OrganizationId::EXAMPLE,
                "kind": "ENGAGEMENT", "scopes": ["act"], "asked_from": AT, "starts_at": AT, "accepted_at": AT, "granted_by": sam }),
        ),
        (
            "engaged_property",
            json!({ "owner_organization_id": desk, "property_id": property, "kind": "LAND", "status": "ACTIVE",
                "line1": "1 First Street", "locality": "Tucson", "country": "US" }),
        ),
        (
            "ownership",
            json!({ "id": OwnershipId::EXAMPLE, "property_id": property, "holder_name": "Olga", "capacity": "OWNER",
                "share_basis_points": 5_000, "starts_on": "2019-04-01", "recorded_by": olga }),
        ),
        (
            "financial_entry",
            json!({ "id": FinancialEntryId::EXAMPLE, "property_id": property, "kind": "TAX", "amount_minor": -184_205,
                "currency": "USD", "booked_on": "2026-04-30", "source": "County treasurer", "recorded_by": olga }),
        ),
        (
            "delegation",
            json!({ "id": delegation, "holder_id": tom, "grantor_id": olga, "root_id": olga, "actions": ["READ", "UPDATE"],
                "may_delegate": false, "starts_at": AT, "state": "ACTIVE", "accepted_at": AT }),
        ),
        (
            "delegation",
            json!({ "id": DelegationId::OFFERED_EXAMPLE, "holder_id": olga, "grantor_id": tom, "root_id": tom, "actions": ["READ"],
                "may_delegate": false, "starts_at": AT, "state": "OFFERED" }),
        ),
        // It stands again by now, as staff.
        ("delegator", json!({ "principal_id": sam, "id": schema::example(0x5c), "turn": 1, "asked_at": AT })),
        (
            "block",
            json!({ "id": BlockId::EXAMPLE, "principal_id": tom, "blocked_by": olga, "of_owner": false, "ended_at": AT }),
        ),
        ("delegation_item", json!({ "id": schema::example(0x52), "delegation_id": delegation, "property_id": property })),
        (
            "operation",
            json!({ "id": operation, "procedure": "property/v1/create", "key": operation, "fingerprint": "", "initiator": olga,
                "actor": { "kind": "HUMAN" }, "authority": { "epoch": 0, "judged": "", "decided_at": AT }, "state": "COMPLETED",
                "outcome": { "result": {} } }),
        ),
        (
            "event",
            json!({ "seq": 1, "kind": "property.created", "resource_kind": "property", "resource_id": property, "version": 1,
                "actor": olga, "actor_kind": "HUMAN", "actor_organization_id": OrganizationId::EXAMPLE,
                "operation_id": operation, "change": {}, "at": AT }),
        ),
        (
            "work_item",
            json!({ "id": WorkItemId::EXAMPLE, "owner_organization_id": desk, "item_id": CaseId::EXAMPLE, "kind": "CASE",
                "case_id": CaseId::EXAMPLE, "number": "C-1", "title": "The gutter drips", "state": "NEW", "priority": "NORMAL",
                "priority_rank": 2, "due_sort": AT, "waiting_for": "DESK", "late": false, "version": 1 }),
        ),
        ("counter", json!({ "name": "quote", "last": 3 })),
        ("intent", intent(IntentId::EXAMPLE, *olga, json!({}))),
        (
            "intent",
            intent(
                IntentId::CLASSIFIED_EXAMPLE,
                *olga,
                json!({ "state": "CLASSIFIED", "kind": "REPAIR", "domain": "PROPERTY", "urgency": "HIGH", "suggestion_taken": false,
                    "classified_by": sam, "classified_at": AT }),
            ),
        ),
        ("concierge_case", case(CaseId::EXAMPLE, *olga, json!({}))),
        ("concierge_case", case(CaseId::SECOND_EXAMPLE, *olga, json!({}))),
        (
            "concierge_case",
            case(CaseId::DUE_EXAMPLE, *olga, json!({ "state": "RESOLVED", "resolution": "DONE", "resolution_summary": "Done.", "resolved_at": AT })),
        ),
        (
            "case_note",
            json!({ "id": CaseNoteId::EXAMPLE, "case_id": CaseId::EXAMPLE, "text": "The roofer comes on Thursday.", "author_id": olga,
                "author_organization_id": desk }),
        ),
        (
            "case_question",
            json!({ "id": CaseQuestionId::EXAMPLE, "case_id": CaseId::EXAMPLE, "text": "Zinc or plastic?", "choices": ["Zinc", "Plastic"],
                "state": "OPEN", "asked_by": sam, "asker_organization_id": desk }),
        ),
        (
            "case_link",
            json!({ "id": CaseLinkId::EXAMPLE, "case_id": CaseId::EXAMPLE, "other_id": CaseId::SECOND_EXAMPLE, "kind": "BLOCKED_BY",
                "linked_by": sam }),
        ),
        (
            "internal_note",
            json!({ "id": InternalNoteId::EXAMPLE, "owner_organization_id": desk, "case_id": CaseId::EXAMPLE, "text": "For us.",
                "author_id": sam }),
        ),
        (
            "service_level",
            json!({ "id": ServiceLevelId::EXAMPLE, "starts_at": AT, "acknowledge_low": 960, "acknowledge_normal": 480,
                "acknowledge_high": 120, "acknowledge_urgent": 30, "resolve_low": 9_600, "resolve_normal": 4_800, "resolve_high": 1_440,
                "resolve_urgent": 480, "hours": ["MON 09:00-17:00"], "holidays": [], "time_zone": "America/Phoenix",
                "follows_property": true, "pauses_for_owner": true, "pauses_for_others": false, "remind_minutes": 60, "close_days": 7,
                "reopen_days": 30 }),
        ),
        ("quota", json!({ "name": "openInvitations", "most": 1_000 })),
        ("feed_head", json!({ "position": 1 })),
        ("feed_scope", json!({ "source_organization_id": OrganizationId::EXAMPLE, "relayed_seq": 1 })),
        ("feed", json!({ "position": 1, "source_organization_id": OrganizationId::EXAMPLE, "seq": 1, "at": AT })),
    ]);
    rows
}

fn address(id: PropertyId, line1: &str, hoa: Option<ExternalPartyId>) -> Value {
    json!({ "id": id, "kind": "LAND", "line1": line1, "locality": "Tucson", "country": "US", "time_zone": "America/Phoenix",
        "status": "ACTIVE", "hoa_id": hoa })
}

fn intent(id: IntentId, by: Uuid, more: Value) -> Value {
    let mut row = json!({ "id": id, "text": "The gutter over the porch drips.", "property_id": PropertyId::EXAMPLE, "priority": "NORMAL",
        "must_nots": [], "state": "SUBMITTED", "suggested_kind": "REPAIR", "suggested_domain": "PROPERTY", "suggested_urgency": "NORMAL",
        "suggested_confidence": 80, "suggested_words": ["drips"], "submitted_by": by, "submitter_organization_id": OrganizationId::EXAMPLE });
    row.as_object_mut().expect("columns").extend(more.as_object().cloned().expect("columns"));
    row
}

fn case(id: CaseId, by: Uuid, more: Value) -> Value {
    let mut row = json!({ "id": id, "title": "The gutter over the porch drips", "kind": "REPAIR", "property_id": PropertyId::EXAMPLE,
        "priority": "NORMAL", "state": "NEW", "opened_by": by, "opener_organization_id": OrganizationId::EXAMPLE, "lifecycle": 1,
        "worked_seconds": 0, "open_questions": 0, "told": [], "reopened_count": 0 });
    row.as_object_mut().expect("columns").extend(more.as_object().cloned().expect("columns"));
    row
}

/// A row that is in another state for one procedure.
pub struct Otherwise {
    pub procedure: &'static str,
    pub id: Uuid,
    pub columns: Value,
    /// Statements that follow, with the organization as `{home}`.
    pub then: String,
}

/// Procedures whose examples ask for another state of a row.
pub fn otherwise() -> Vec<Otherwise> {
    let row = |procedure, id, columns| Otherwise { procedure, id, columns, then: String::new() };
    let then = |procedure, id, then| Otherwise { procedure, id, columns: json!({}), then };
    let copy = |row: DelegationId, id: u32, parent: &str, giver: &str| {
        format!(
            "INSERT INTO delegation (organization_id, id, holder_id, grantor_id, parent_id, root_id, actions, may_delegate, starts_at, state, created_at, updated_at)
             SELECT organization_id, '{}', grantor_id, {giver}, {parent}, {giver}, actions, may_delegate, starts_at, state, created_at, updated_at
             FROM delegation WHERE organization_id = '{{home}}' AND id = '{row}';",
            schema::example(id)
        )
    };
    let (delegation, membership) = (DelegationId::EXAMPLE, MembershipId::DUE_EXAMPLE);
    let settling = copy(delegation, 0x5a, "id", "root_id")
        + &format!(
            "UPDATE delegation_line SET turn = 1, settles_at = '{PASSED}' WHERE organization_id = '{{home}}' AND id = '{delegation}';"
        );
    let ending = copy(delegation, 0x5b, "NULL", "holder_id")
        + &format!(
            "INSERT INTO delegator (organization_id, principal_id, id, settles_at, asked_at)
             SELECT organization_id, principal_id, id, '{PASSED}', '{PASSED}' FROM membership WHERE organization_id = '{{home}}' AND id = '{membership}';"
        );
    let mut others = vec![
        then("delegation/v1/settle", delegation.0, settling),
        then("membership/v1/settle", membership.0, ending),
        row("delegation/v1/expire", DelegationId::EXAMPLE.0, json!({ "ends_at": PASSED })),
        row("block/v1/lift", BlockId::EXAMPLE.0, json!({ "ended_at": null })),
        row("membership/v1/expire", MembershipId::DUE_EXAMPLE.0, json!({ "ends_at": PASSED })),
    ];
    let at_work = json!({ "state": "IN_PROGRESS" });
    let resolved = json!({ "state": "RESOLVED", "resolution": "DONE", "resolution_summary": "Done.", "resolved_at": AT });
    let assigned = format!(
        "UPDATE concierge_case SET assignee_id = opened_by WHERE organization_id = '{{home}}' AND id = '{}';",
        CaseId::EXAMPLE
    );
    others.extend([
        row("case/v1/updateStatus", CaseId::EXAMPLE.0, at_work.clone()),
        row("case/v1/ask", CaseId::EXAMPLE.0, at_work.clone()),
        row("case/v1/resolve", CaseId::EXAMPLE.0, at_work),
        row("case/v1/answer", CaseId::EXAMPLE.0, json!({ "state": "WAITING_OWNER", "open_questions": 1 })),
        row("case/v1/close", CaseId::EXAMPLE.0, resolved.clone()),
        row("case/v1/reopen", CaseId::EXAMPLE.0, resolved),
        row("case/v1/advance", CaseId::DUE_EXAMPLE.0, json!({ "closes_at": PASSED, "next_at": PASSED })),
        then("case/v1/unassign", CaseId::EXAMPLE.0, assigned),
    ]);
    let replan = format!(
        "UPDATE concierge_case SET desk_id = '{desk}' WHERE organization_id = '{{home}}' AND id = '{second}';
         INSERT INTO deadline (organization_id, procedure, id, at) VALUES ('{{home}}', 'case/v1/replan', '{second}', '{PASSED}');",
        desk = OrganizationId::CONCIERGE_EXAMPLE,
        second = CaseId::SECOND_EXAMPLE,
    );
    others.extend([
        then("case/v1/replan", CaseId::SECOND_EXAMPLE.0, replan),
        row("serviceLevel/v1/begin", ServiceLevelId::EXAMPLE.0, json!({ "begins_at": PASSED })),
    ]);
    // Only an archived row can be taken back.
    for (kind, api) in entities::KINDS.iter().filter_map(|kind| Some((kind, kind.api?))) {
        let restore = format!("{}/v1/restore", kind.namespace());
        if let Some(entry) = resolvers::TABLE.iter().find(|entry| entry.name() == restore) {
            let mut columns = json!({ "status": "ARCHIVED" });
            if kind.columns.iter().any(|column| column.name == "archived_at") {
                columns["archived_at"] = AT.into();
            }
            others.push(row(entry.name(), api.example(), columns));
        }
    }
    others
}

/// The id of a kind's first row.
pub fn id_of(kind: &str) -> Uuid {
    let table = entities::kind(kind).map_or(kind, |kind| kind.resource.table);
    let row = rows(&Principals::default()).into_iter().find(|(name, _)| *name == table);
    let (_, row) = row.unwrap_or_else(|| panic!("{kind}: say in harness/rows.rs what a row of it is"));
    row["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{kind} has no id"))
}

#[test]
fn every_kind_has_a_row_and_no_two_rows_share_an_id() {
    let rows = rows(&Principals::default());
    // A view has none of its own.
    for kind in super::kinds().filter(|kind| kind.object.is_some() || kind.name == entities::engaged_property::KIND) {
        let named = entities::kind(kind.name).map_or(kind.name, |kind| kind.resource.table);
        assert!(rows.iter().any(|(table, _)| *table == named), "{}: say in harness/rows.rs what a row of it is", kind.name);
    }
    let mut ids: Vec<&str> = rows.iter().filter_map(|(_, row)| row["id"].as_str()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id is the example of two things: {ids:?}");
    for Otherwise { procedure, id, .. } in otherwise() {
        assert!(resolvers::TABLE.iter().any(|entry| entry.name() == procedure), "there is no {procedure}");
        assert!(ids.contains(&id.to_string().as_str()), "{procedure}: there is no row {id}");
    }
}
