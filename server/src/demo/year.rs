//! A year of the desk's work: wishes and cases in all states, with their conversations. They are made by the same procedures as
//! everything else, and then moved back to the days on which they are said to have happened.

use super::{Demo, MARIA, Person, ROBERT, SAM};
use crate::Fault;
use entities::{
    case::{Case, CaseId, CaseResolution, CaseState},
    intent::IntentId,
    matter::{Matter, Priority},
    property::PropertyId,
};
use resolvers::{case, intent, service_level};
use schema::{AccessGrantId, OrganizationId};
use sqlx::PgPool;
use uuid::Uuid;

/// The state that a story ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    New,
    Triaged,
    AtWork,
    Asked,
    Waiting(&'static str),
    Resolved,
    Closed,
    Cancelled,
    Reopened,
}

use End::{Asked, AtWork, Cancelled, Closed, New, Reopened, Resolved, Triaged, Waiting};
use Matter::{
    Access, AssociationApproval, AssociationNotice, Bill, Document, Improvement, Inspection, Insurance, Maintenance, Repair, Tax,
    Tenancy, Transaction,
};
use Priority::{High, Low, Normal, Urgent};

/// The days ago, the matter, its priority, the owner's words, the desk's note, and the end.
type Story = (i64, Matter, Priority, &'static str, &'static str, End);

/// The last words of the demo: who finds them has all of it.
pub const LAST: &str = "Is there anything we can do about the noise from the bar?";

/// In the order of their days, since a case's number follows from it.
const STORIES: &[Story] = &[
    (
        352,
        Repair,
        High,
        "The water heater in number 102 leaks into the garage",
        "Plumber found a cracked tank; replaced under warranty.",
        Closed,
    ),
    (
        341,
        Maintenance,
        Low,
        "Spring service for all air conditioners",
        "Twelve units done in two days; filters are in each closet.",
        Closed,
    ),
    (
        330,
        Tax,
        Normal,
        "The assessed value of 300 East Roosevelt went up by a third",
        "Appeal filed with the county; hearing in May.",
        Closed,
    ),
    (
        318,
        AssociationNotice,
        Normal,
        "Letter about bins in front of number 106",
        "Told the tenant; the association closed its file.",
        Closed,
    ),
    (301, Tenancy, Normal, "The tenants of 110 want to renew for two years", "Signed on both sides; copy is filed.", Closed),
    (
        289,
        Repair,
        Urgent,
        "Water comes through the ceiling of unit 3 on Canyon Road",
        "Shut the main, dried the room, new supply line upstairs.",
        Closed,
    ),
    (
        276,
        Inspection,
        Normal,
        "Please look at the roof of 17 Alameda before the rains",
        "Two soft spots near the parapet; photographs are attached to the estimate.",
        Closed,
    ),
    (262, Bill, Low, "The water bill of 114 doubled", "A toilet ran; the utility gave half of it back.", Closed),
    (251, Improvement, Normal, "Ceiling fans for the three on the south side", "Five fans, two electricians, one day.", Closed),
    (240, Document, Low, "Where is the survey of Lot 9?", "With the title company; a scan is on its way.", Cancelled),
    (229, Insurance, High, "Hail broke two skylights, will the policy pay?", "Claim accepted less the deductible.", Closed),
    (
        214,
        AssociationApproval,
        Normal,
        "Permission for a satellite dish at 118",
        "Approved with conditions: not on the street side.",
        Closed,
    ),
    (203, Access, Normal, "Somebody has to let the appraiser into 104", "Done on Tuesday; keys are back in the safe.", Closed),
    (188, Repair, Normal, "Garage door of 120 stops half way", "New spring; the opener was sound.", Closed),
    (175, Maintenance, Normal, "Termite treatment before the warranty ends", "Treated; next in five years.", Closed),
    (
        163,
        Transaction,
        Low,
        "What would it take to move 806 into the trust?",
        "Deed drafted by counsel; the lender has to agree first.",
        Cancelled,
    ),
    (150, Tenancy, High, "The tenant of 108 has not paid for two months", "Paid in full after the second letter.", Closed),
    (
        137,
        Repair,
        High,
        "Air conditioning of 112 blows warm air, it is 108 outside",
        "Capacitor; a portable unit was brought the same evening.",
        Closed,
    ),
    (124, Bill, Normal, "Invoice of the landscaper is for three visits, he came twice", "Credited on the next one.", Closed),
    (111, Improvement, Normal, "New flooring in unit 2 before the next tenant", "Vinyl plank, four days, no surprises.", Closed),
    (
        98,
        AssociationNotice,
        High,
        "A fine for a fence that has stood for ten years",
        "The board withdrew it after the hearing.",
        Closed,
    ),
    (
        84,
        Inspection,
        Normal,
        "Second opinion on the foundation crack at 300 East Roosevelt",
        "Cosmetic, says the engineer; watch it for a year.",
        Closed,
    ),
    (70, Repair, Normal, "The intercom of 17 Alameda is dead", "New power supply; it hummed again in a week.", Reopened),
    (
        58,
        Tax,
        Low,
        "Does the second home in Santa Fe get the exemption?",
        "It does not; the answer of the assessor is filed.",
        Closed,
    ),
    (47, Maintenance, Normal, "Gutters and drains before the monsoon", "All but 116, whose gate was locked.", Closed),
    (39, Document, Normal, "Send the HOA's new rules to all tenants", "Sent to eleven; one letter came back.", Closed),
    (
        31,
        Tenancy,
        Normal,
        "A dog at 122, the lease says none",
        "The tenant asks for an exception; two neighbours wrote in its favour.",
        Asked,
    ),
    (
        24,
        AssociationApproval,
        Normal,
        "Solar panels on 102 to 108",
        "Drawings are with the architectural committee.",
        Waiting("Palo Verde Townhomes Association"),
    ),
    (
        20,
        Insurance,
        Normal,
        "The premium of the Canyon Road units went up by half",
        "Three offers asked for.",
        Waiting("Three brokers"),
    ),
    (15, Repair, Normal, "The fountain at Alameda has lost its water again", "Pump is sound; the basin leaks.", AtWork),
    (12, Improvement, Low, "A charger for electric cars in two garages", "Two bids are here, a third comes on Friday.", AtWork),
    (9, Repair, High, "Stove of unit 5 smells of gas when it is off", "Gas company shut the valve; a fitter is booked.", AtWork),
    (
        6,
        Bill,
        Normal,
        "A charge of the association that nobody understands",
        "They call it a reserve contribution; the budget says otherwise.",
        Resolved,
    ),
    (4, Access, Normal, "The code of the Roosevelt entrance has to be changed", "New codes for all, by phone only.", Resolved),
    (3, Maintenance, Normal, "Leaves in the pool of Alameda again", "Twice a week until December.", Triaged),
    (2, Repair, Normal, "The porch light of 104 flickers", "", New),
    (0, Repair, Urgent, "Water stands in the garage of 110", "", New),
];

impl Demo<'_> {
    /// The desk's level, and its year.
    pub async fn worked(
        &self,
        (desk, grant): (OrganizationId, AccessGrantId),
        llc: OrganizationId,
        houses: &[PropertyId],
        owner: &PgPool,
    ) -> Result<(), Fault> {
        self.promise(desk).await?;
        for (at, story) in STORIES.iter().enumerate() {
            let house = houses[at % houses.len()];
            let case = self.tell((desk, grant), llc, house, at, story).await?;
            let days = story.0;
            let due = if story.5 == New && days > 0 { days } else { 0 };
            moved_back(owner, llc, case, days, due).await?;
        }
        let wish = |text: &str| intent::submit::IntentSubmitInput {
            text: text.into(),
            wanted: None,
            property_id: None,
            portfolio_id: None,
            priority: None,
            budget_minor: None,
            budget_currency: None,
            not_before: None,
            not_after: None,
            must_nots: None,
        };
        for text in ["Please find somebody who paints the railings of all six units before Easter", LAST] {
            self.act::<intent::submit::Submit>(&ROBERT, Some(llc), text, wish(text)).await?;
        }
        Ok(())
    }

    /// A trust that lets the desk see, and keeps its own cases.
    pub async fn kept(&self, trust: OrganizationId, house: PropertyId) -> Result<(), Fault> {
        for (title, kind) in [
            ("The association wants to see the deed again", AssociationNotice),
            ("Prune the mesquite over the roof", Maintenance),
        ] {
            let input = case::create::CaseCreateInput {
                title: title.into(),
                description: None,
                kind: Some(kind),
                property_id: Some(house),
                portfolio_id: None,
                priority: None,
                desk_id: None,
            };
            self.act::<case::create::Create>(&MARIA, Some(trust), title, input).await?;
        }
        Ok(())
    }

    async fn promise(&self, desk: OrganizationId) -> Result<(), Fault> {
        let lead = self.who(&super::DANA).await?;
        let input = service_level::set::ServiceLevelSetInput {
            starts_at: None,
            acknowledge: service_level::set::Minutes { low: 960, normal: 480, high: 120, urgent: 30 },
            resolve: service_level::set::Minutes { low: 9_600, normal: 4_800, high: 1_440, urgent: 480 },
            hours: ["MON", "TUE", "WED", "THU", "FRI"].map(|day| format!("{day} 08:00-18:00")).to_vec(),
            holidays: Some(vec!["2026-12-25".into(), "2027-01-01".into()]),
            time_zone: "America/Phoenix".into(),
            follows_property: None,
            pauses_for_owner: None,
            pauses_for_others: Some(true),
            remind_minutes: None,
            lead_id: Some(lead),
            close_days: None,
            reopen_days: None,
        };
        self.act::<service_level::set::Set>(&super::DANA, Some(desk), "level", input).await?;
        Ok(())
    }

    /// One story, from the owner's words to its end.
    async fn tell(
        &self,
        (desk, grant): (OrganizationId, AccessGrantId),
        llc: OrganizationId,
        house: PropertyId,
        at: usize,
        (_, kind, priority, words, note, end): &Story,
    ) -> Result<Case, Fault> {
        let what = |step: &str| format!("{at}/{step}");
        let by = (&SAM, Some(desk), Some(grant));
        let submit = intent::submit::IntentSubmitInput {
            text: (*words).into(),
            wanted: Some((*words).into()),
            property_id: Some(house),
            portfolio_id: None,
            priority: Some(*priority),
            budget_minor: None,
            budget_currency: None,
            not_before: None,
            not_after: None,
            must_nots: None,
        };
        let wish = self.act::<intent::submit::Submit>(&ROBERT, Some(llc), &what("wish"), submit).await?;
        let case = self.made_case(by, &what("made"), wish.id, *kind, *priority).await?;
        let (id, step) = (case.id, |name: &str| what(name));
        if *end == New {
            return Ok(case);
        }
        let triage = case::triage::CaseTriageInput {
            id,
            version: 1,
            kind: *kind,
            priority: *priority,
            assignee_id: Some(self.who(&SAM).await?),
        };
        let mut case = self.act_by::<case::triage::Triage>(by.0, by.1, by.2, &step("triage"), triage).await?;
        if *end == Cancelled {
            let input = case::end::CaseCancelInput { id, version: case.version, reason: "We leave it for now.".into() };
            return self.act::<case::end::Cancel>(&ROBERT, Some(llc), &step("cancel"), input).await;
        }
        let text = (*note).to_owned();
        self.act_by::<case::add_note::AddNote>(by.0, by.1, by.2, &step("note"), case::add_note::CaseAddNoteInput { id, text })
            .await?;
        if *end == Triaged {
            return Ok(case);
        }
        let moved = |version, state, whom: Option<&str>| case::update_status::CaseUpdateStatusInput {
            id,
            version,
            state,
            waiting_for: whom.map(str::to_owned),
            waiting_until: None,
        };
        let input = moved(case.version, CaseState::InProgress, None);
        case = self.act_by::<case::update_status::UpdateStatus>(by.0, by.1, by.2, &step("work"), input).await?;
        if at.is_multiple_of(4) || *end == Asked {
            case = self.asked(by, (llc, id), case.version, at, *end != Asked).await?;
        }
        if at % 5 == 2 {
            let text = "Ask the same people next time; they came when they said.".to_owned();
            let input = case::add_note::CaseAddInternalNoteInput { id, text };
            self.act_by::<case::add_note::AddInternalNote>(by.0, by.1, by.2, &step("for us"), input).await?;
        }
        match end {
            Waiting(whom) => {
                let input = moved(case.version, CaseState::WaitingExternal, Some(whom));
                self.act_by::<case::update_status::UpdateStatus>(by.0, by.1, by.2, &step("wait"), input).await
            }
            Resolved | Closed | Reopened => self.ended(by, llc, case, (at, note, *end)).await,
            _ => Ok(case),
        }
    }

    async fn made_case(
        &self,
        (who, desk, grant): (&Person, Option<OrganizationId>, Option<AccessGrantId>),
        what: &str,
        id: IntentId,
        kind: Matter,
        urgency: Priority,
    ) -> Result<Case, Fault> {
        let input = intent::classify::IntentClassifyInput { id, version: 1, kind, urgency, domain: None };
        self.act_by::<intent::classify::Classify>(who, desk, grant, what, input).await?;
        let input = intent::convert_to_case::IntentConvertToCaseInput { id, version: 2, title: None, priority: None };
        self.act_by::<intent::convert_to_case::ConvertToCase>(who, desk, grant, what, input).await
    }

    /// A question, with its answer if it has one.
    async fn asked(
        &self,
        (who, desk, grant): (&Person, Option<OrganizationId>, Option<AccessGrantId>),
        (llc, id): (OrganizationId, CaseId),
        version: i32,
        at: usize,
        answered: bool,
    ) -> Result<Case, Fault> {
        let input = case::ask::CaseAskInput {
            id,
            version,
            text: "Shall we go ahead for what they ask?".into(),
            choices: Some(vec!["Yes".into(), "No, find another offer".into()]),
            due_at: None,
        };
        let question = self.act_by::<case::ask::Ask>(who, desk, grant, &format!("{at}/ask"), input).await?;
        if answered {
            let input = case::ask::CaseAnswerInput { id, question_id: question.id, choice: Some("Yes".into()), answer: None };
            self.act::<case::ask::Answer>(&ROBERT, Some(llc), &format!("{at}/answer"), input).await?;
        }
        let find = case::CaseGetInput { id };
        self.read::<case::Get>(&ROBERT, Some(llc), find).await
    }

    async fn ended(
        &self,
        (who, desk, grant): (&Person, Option<OrganizationId>, Option<AccessGrantId>),
        llc: OrganizationId,
        case: Case,
        (at, note, end): (usize, &str, End),
    ) -> Result<Case, Fault> {
        let id = case.id;
        let input = case::resolve::CaseResolveInput {
            id,
            version: case.version,
            resolution: CaseResolution::Done,
            summary: note.to_owned(),
        };
        let mut case = self.act_by::<case::resolve::Resolve>(who, desk, grant, &format!("{at}/resolve"), input).await?;
        if end == Closed {
            let input = case::end::CaseCloseInput { id, version: case.version, reason: None };
            case = self.act::<case::end::Close>(&ROBERT, Some(llc), &format!("{at}/close"), input).await?;
        }
        if end == Reopened {
            let input = case::reopen::CaseReopenInput { id, version: case.version, reason: "It is dead again.".into() };
            case = self.act::<case::reopen::Reopen>(&ROBERT, Some(llc), &format!("{at}/reopen"), input).await?;
        }
        Ok(case)
    }
}

/// Moves what happened about a case back by some days, and what was promised by as many as are given.
async fn moved_back(owner: &PgPool, organization: OrganizationId, case: Case, days: i64, promised: i64) -> Result<(), Fault> {
    let mut tx = owner.begin().await?;
    // A demo that was cut short comes by here again.
    let sql = "SELECT created_at > now() - interval '2 hours' FROM concierge_case WHERE organization_id = $1 AND id = $2";
    let fresh: bool = sqlx::query_scalar(sql).bind(organization.0).bind(case.id.0).fetch_one(&mut *tx).await?;
    if !fresh {
        return Ok(());
    }
    let ids = |sql| sqlx::query_scalar::<_, Uuid>(sql).bind(organization.0).bind(case.id.0);
    let mut about = vec![case.id.0];
    about.extend(case.intent_id.map(|id| id.0));
    about.extend(ids("SELECT id FROM case_note WHERE organization_id = $1 AND case_id = $2").fetch_all(&mut *tx).await?);
    about.extend(ids("SELECT id FROM case_question WHERE organization_id = $1 AND case_id = $2").fetch_all(&mut *tx).await?);
    // The log takes only what comes next; this is not for it to judge.
    sqlx::query("ALTER TABLE event DISABLE TRIGGER USER").execute(&mut *tx).await?;
    for sql in [
        "UPDATE event SET at = at - $3 * interval '1 day' WHERE organization_id = $1 AND resource_id = ANY ($2)",
        "UPDATE intent SET created_at = created_at - $3 * interval '1 day', updated_at = updated_at - $3 * interval '1 day',
           classified_at = classified_at - $3 * interval '1 day', ended_at = ended_at - $3 * interval '1 day'
         WHERE organization_id = $1 AND id = ANY ($2)",
        "UPDATE case_note SET created_at = created_at - $3 * interval '1 day', updated_at = updated_at - $3 * interval '1 day'
         WHERE organization_id = $1 AND id = ANY ($2)",
        "UPDATE case_question SET created_at = created_at - $3 * interval '1 day', updated_at = updated_at - $3 * interval '1 day',
           answered_at = answered_at - $3 * interval '1 day' WHERE organization_id = $1 AND id = ANY ($2)",
        "UPDATE concierge_case SET created_at = created_at - $3 * interval '1 day', updated_at = updated_at - $3 * interval '1 day',
           acknowledged_at = acknowledged_at - $3 * interval '1 day', resolved_at = resolved_at - $3 * interval '1 day',
           closed_at = closed_at - $3 * interval '1 day', reopen_until = reopen_until - $3 * interval '1 day',
           cancelled_at = cancelled_at - $3 * interval '1 day'
         WHERE organization_id = $1 AND id = ANY ($2)",
    ] {
        sqlx::query(sql).bind(organization.0).bind(&about).bind(days as f64).execute(&mut *tx).await?;
    }
    // One that nobody looked at is late by now; the lifecycle finds it.
    sqlx::query(
        "UPDATE concierge_case SET acknowledge_by = acknowledge_by - $3 * interval '1 day', acknowledge_soon = NULL,
           next_at = acknowledge_by - $3 * interval '1 day' WHERE organization_id = $1 AND id = $2 AND $3 > 0 AND state = 'NEW'",
    )
    .bind(organization.0)
    .bind(case.id.0)
    .bind(promised as f64)
    .execute(&mut *tx)
    .await?;
    sqlx::query("ALTER TABLE event ENABLE TRIGGER USER").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}
