//! The relations of concierge work: intents, cases, and what hangs on these.

use crate::{
    case::{self, Case, CaseFilter, CaseOrder, CaseState},
    case_link::{self, CaseLink, CaseLinkFilter, CaseLinkOrder},
    case_note::{self, CaseNote, CaseNoteFilter, CaseNoteOrder},
    case_question::{self, CaseQuestion},
    history,
    intent::{self, Intent, IntentFilter, IntentOrder},
    internal_note::{self, InternalNote, InternalNoteFilter, InternalNoteOrder},
    organization_card::OrganizationCard,
    person::Actor,
    portfolio::{self, Portfolio},
    property::{self, Property},
    service_level::{self, ServiceLevel},
    work_item::WorkItem,
};
use async_graphql::{ComplexObject, Context};
use kind::{
    Ready, page,
    relation::{Declared, children},
    relations,
};
use schema::{Reading as _, snapshot};

/// All relations of concierge work.
pub const ALL: &[&dyn Declared] = &[
    &OF_CASE,
    &OF_CASE_LINK,
    &OF_CASE_NOTE,
    &OF_CASE_QUESTION,
    &OF_INTENT,
    &OF_INTERNAL_NOTE,
    &OF_PORTFOLIO,
    &OF_PROPERTY,
    &OF_SERVICE_LEVEL,
    &OF_WORK_ITEM,
];

type Cases = (Option<CaseFilter>, Option<CaseOrder>);
type Intents = (Option<IntentFilter>, Option<IntentOrder>);

relations!(OF_CASE of Case {
    /// Whose case it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The property that it is about.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id?.0))),
    /// The portfolio that it is about.
    portfolio: one(portfolio::Model, |row| Some((row.organization_id, row.portfolio_id?.0))),
    /// The wish that it came of.
    intent: one(intent::Model, |row| Some((row.organization_id, row.intent_id?.0))),
    /// The desk that holds it.
    desk: known(OrganizationCard, |row| Some(row.desk_id?.0)),
    /// Who of the desk works on it.
    assignee: known(Actor, |row| Some(row.assignee_id?.0)),
    /// Who of the desk was told that it was late.
    lead: known(Actor, |row| Some(row.lead_id?.0)),
    /// Who opened it.
    openedByActor: known(Actor, |row| Some(row.opened_by.0)),
    /// The organization for which it was opened.
    openerOrganization: known(OrganizationCard, |row| Some(row.opener_organization_id.0)),
    allowedTransitions: computed(|row: &Case| Transitions(row.state, row.reopen_until), &[]),
    /// The conversation about it, oldest first unless another order is asked for.
    notes: page(reads &[case_note::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): (Option<CaseNoteFilter>, Option<CaseNoteOrder>) = (filter, order);
            let filter = CaseNoteFilter { case_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<CaseNote>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
    /// The notes about it that the acting desk keeps for itself.
    internalNotes: page(reads &[internal_note::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): (Option<InternalNoteFilter>, Option<InternalNoteOrder>) = (filter, order);
            let filter = InternalNoteFilter { case_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<InternalNote>(snapshot, snapshot.acting(), Some(filter), order, page).await.map(Ready)
        })
    }),
    /// The questions to its owner, in the order in which they were put.
    questions: many(CaseQuestion, |tx, keys, visible| {
        use case_question::Column::{CaseId, Id};
        Box::pin(children(tx, keys, visible, (CaseId, |row: &CaseQuestion| row.case_id.0), Id))
    }),
    /// The links from it, and to it.
    links: page(reads &[case_link::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): (Option<CaseLinkFilter>, Option<CaseLinkOrder>) = (filter, order);
            let filter = CaseLinkFilter { case_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<CaseLink>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
    /// All that happened about it, newest first: to the wish, to the case, to its notes, questions and links.
    timeline: page(reads &[history::KIND], |snapshot, row, (), page| {
        Box::pin(history::of_case(snapshot, row, page))
    }),
    /// What changed on the case itself, when, by whom, and by whose leave; newest first.
    history: history(case::KIND),
});

relations!(OF_CASE_LINK of CaseLink {
    /// Whose cases they are.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The case that it leads from.
    case: one(case::Model, |row| Some((row.organization_id, row.case_id.0))),
    /// The case that it leads to.
    other: one(case::Model, |row| Some((row.organization_id, row.other_id.0))),
    /// Who linked them.
    linkedByActor: known(Actor, |row| Some(row.linked_by.0)),
    /// Who took it away.
    endedByActor: known(Actor, |row| Some(row.ended_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(case_link::KIND),
});

relations!(OF_CASE_NOTE of CaseNote {
    /// Whose case it is about.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The case that it is about.
    case: one(case::Model, |row| Some((row.organization_id, row.case_id.0))),
    /// Who wrote it.
    author: known(Actor, |row| Some(row.author_id.0)),
    /// The organization for which it was written.
    authorOrganization: known(OrganizationCard, |row| Some(row.author_organization_id.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(case_note::KIND),
});

relations!(OF_CASE_QUESTION of CaseQuestion {
    /// Who is asked.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The case that it is about.
    case: one(case::Model, |row| Some((row.organization_id, row.case_id.0))),
    /// Who asks.
    askedByActor: known(Actor, |row| Some(row.asked_by.0)),
    /// The organization that asks.
    askerOrganization: known(OrganizationCard, |row| Some(row.asker_organization_id.0)),
    /// Who answered.
    answeredByActor: known(Actor, |row| Some(row.answered_by?.0)),
    /// The organization that answered.
    answererOrganization: known(OrganizationCard, |row| Some(row.answerer_organization_id?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(case_question::KIND),
});

relations!(OF_INTENT of Intent {
    /// Whose wish it is.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// The property that it is about.
    property: one(property::Model, |row| Some((row.organization_id, row.property_id?.0))),
    /// The portfolio that it is about.
    portfolio: one(portfolio::Model, |row| Some((row.organization_id, row.portfolio_id?.0))),
    /// The case that was made of it.
    case: one(case::Model, |row| Some((row.organization_id, row.case_id?.0))),
    /// Who said it.
    submittedByActor: known(Actor, |row| Some(row.submitted_by.0)),
    /// The organization for which it was said.
    submitterOrganization: known(OrganizationCard, |row| Some(row.submitter_organization_id.0)),
    /// Who classified it.
    classifiedByActor: known(Actor, |row| Some(row.classified_by?.0)),
    /// Who made a case of it, declined it or took it back.
    endedByActor: known(Actor, |row| Some(row.ended_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(intent::KIND),
});

relations!(OF_INTERNAL_NOTE of InternalNote {
    /// The desk that keeps it.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Whose case it is about.
    ownerOrganization: known(OrganizationCard, |row| Some(row.owner_organization_id.0)),
    /// The case that it is about, as long as the desk sees it.
    case: one(case::Model, |row| Some((row.owner_organization_id, row.case_id.0))),
    /// Who wrote it.
    author: known(Actor, |row| Some(row.author_id.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(internal_note::KIND),
});

relations!(OF_PORTFOLIO of Portfolio {
    /// The cases about it, and about the properties in it; of what the reader may see.
    cases: page(reads &[case::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): Cases = (filter, order);
            let filter = CaseFilter { portfolio_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<Case>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
    /// What is wished for it as a whole.
    intents: page(reads &[intent::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): Intents = (filter, order);
            let filter = IntentFilter { portfolio_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<Intent>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
});

relations!(OF_PROPERTY of Property {
    /// The cases about it, of what the reader may see.
    cases: page(reads &[case::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): Cases = (filter, order);
            let filter = CaseFilter { property_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<Case>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
    /// What is wished for it.
    intents: page(reads &[intent::KIND], |snapshot, row, (filter, order), page| {
        Box::pin(async move {
            let (filter, order): Intents = (filter, order);
            let filter = IntentFilter { property_id: Some(row.id), ..filter.unwrap_or_default() };
            page::list::<Intent>(snapshot, row.organization_id, Some(filter), order, page).await.map(Ready)
        })
    }),
});

relations!(OF_SERVICE_LEVEL of ServiceLevel {
    /// The desk.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Who is told when a case is late.
    lead: known(Actor, |row| Some(row.lead_id?.0)),
    /// Who set it.
    setByActor: known(Actor, |row| Some(row.set_by?.0)),
    /// What changed, when, by whom, and by whose leave; newest first.
    history: history(service_level::KIND),
});

relations!(OF_WORK_ITEM of WorkItem {
    /// The desk.
    organization: known(OrganizationCard, |row| Some(row.organization_id.0)),
    /// Whose it is.
    ownerOrganization: known(OrganizationCard, |row| Some(row.owner_organization_id.0)),
    /// The case that waits, or that the question is about.
    case: one(case::Model, |row| Some((row.owner_organization_id, row.case_id?.0))),
    /// The intent that waits.
    intent: one(intent::Model, |row| Some((row.owner_organization_id, row.intent_id?.0))),
    /// The question that waits.
    question: one(case_question::Model, |row| Some((row.owner_organization_id, row.question_id?.0))),
    /// The property that it is about.
    property: one(property::Model, |row| Some((row.owner_organization_id, row.property_id?.0))),
    /// Who of the desk works on it.
    assignee: known(Actor, |row| Some(row.assignee_id?.0)),
});

/// The states that a case may move to.
struct Transitions(CaseState, Option<schema::Time>);

#[ComplexObject]
impl Transitions {
    /// The states that it may move to from where it stands, by whoever may move it.
    async fn allowed_transitions(&self, cx: &Context<'_>) -> async_graphql::Result<Vec<CaseState>> {
        let now = snapshot(cx).await?.now();
        let closed_for_good = self.0 == CaseState::Closed && self.1.is_some_and(|until| until.0 < now);
        Ok(if closed_for_good { Vec::new() } else { self.0.allowed().to_vec() })
    }
}
