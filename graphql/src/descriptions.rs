//! The words for what every object has: ids, times, pages, cursors. What is particular is described where it is declared; nothing
//! in the schema is left without a description, and a test says so.

use async_graphql::{
    Context, ContextSelectionSet, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::Field,
    registry::{MetaField, MetaInputValue, MetaType, Registry},
    resolver_utils::ContainerType,
};
use async_trait::async_trait;
use entities::node::Node;
use std::borrow::Cow;

/// Fields, arguments and inputs, by their names.
const FIELDS: &[(&str, &str)] = &[
    ("acceptedAt", "The time when the invitation was accepted."),
    ("actions", "The actions that are delegated."),
    ("actorKind", "The kind of whoever did it."),
    ("address", "The postal address."),
    ("after", "The cursor behind which the page begins."),
    ("amountMinor", "The amount in minor units of the currency. Expenses are negative."),
    ("archivedAt", "The time since when it is archived. Null: it is not."),
    ("at", "The time when it happened."),
    ("before", "The cursor before which the page ends."),
    ("bookedOn", "The day to which the amount belongs."),
    ("by", "The group by which figures are told apart."),
    ("capacity", "The standing in which someone owns it."),
    ("change", "The kind of change."),
    ("code", "The code of the error."),
    ("colour", "A colour for screens, such as #2F6B4F."),
    ("correctionReason", "The reason why it was corrected."),
    ("country", "The country, by its two letters of ISO 3166-1."),
    ("createdAt", "The time when it was made."),
    ("currency", "The currency, by its three letters of ISO 4217."),
    ("cursor", "The place of this entry in the list."),
    ("displayName", "The name for people."),
    ("edges", "The entries of the page, each with its cursor."),
    ("email", "The e-mail address."),
    ("endCursor", "The cursor of the last entry."),
    ("endReason", "The reason why it ended."),
    ("endedAt", "The time when it ended."),
    ("endedBy", "The id of whoever ended it."),
    ("endsAt", "The time when it ends by itself. Null: it has no end."),
    ("endsOn", "The first day on which it no longer holds."),
    ("error", "The error with which it ended. Null: there is none."),
    ("evidence", "The evidence, such as a deed and its number."),
    ("expensesMinor", "The sum that went out, in minor units: negative."),
    ("externalPartyId", "The id of the outside party."),
    ("filter", "The filter of the list. Without one, the defaults that its fields name hold."),
    ("first", "The number of entries from the beginning: 20 if absent, at most 100. With 0, only the total is answered."),
    ("from", "The first day."),
    ("grantId", "The grant to read through, for one in particular."),
    ("grantedBy", "The id of whoever gave it."),
    ("granteeOrganizationId", "The id of the organization that is let in."),
    ("hasMore", "Whether there are more changes."),
    ("hasNextPage", "Whether there are entries behind this page."),
    ("hasPreviousPage", "Whether there are entries before this page."),
    ("hoaId", "The id of the association that it belongs to."),
    ("holderId", "The id of whoever holds it."),
    ("holderName", "The name of the owner."),
    ("id", "The id, which no other thing has."),
    ("idempotencyKey", "The key that named the mutation."),
    ("ids", "The ids, at most 100."),
    ("incomeMinor", "The sum that came in, in minor units."),
    ("initiator", "The id of whoever asked for it."),
    ("initiatorKind", "The kind of whoever asked for it."),
    ("input", "The input of the mutation."),
    ("invitedBy", "The id of whoever invited them."),
    ("items", "The changes, in their order."),
    ("kind", "The kind that it is of."),
    ("kinds", "The kinds of things, such as `property`. Without it, all."),
    ("last", "The number of entries from the end, at most 100."),
    ("line1", "The first line: house number and street."),
    ("line2", "The second line, such as a unit."),
    ("locality", "The town."),
    ("mayDelegate", "Whether it may be passed on."),
    ("measure", "The figure that is asked for."),
    ("message", "The error in words, in English."),
    ("name", "The name."),
    ("netMinor", "The sum of both, in minor units."),
    ("node", "The entry itself."),
    ("note", "A note about it."),
    ("notes", "Notes of any length."),
    ("on", "The day for which it is asked."),
    ("operationId", "The id of the operation that did it."),
    ("orderBy", "The order of the entries."),
    ("organization", "The organization, by name."),
    ("organizationId", "The id of the organization that it belongs to."),
    ("pageInfo", "The place of the page in the list."),
    ("parcel", "The number of the parcel at the assessor's."),
    ("phone", "The telephone number."),
    ("portfolioId", "The id of the portfolio."),
    ("portfolioIds", "The ids of portfolios. Without it, all properties count."),
    ("position", "The place in an order."),
    ("postalCode", "The postal code."),
    ("principalId", "The id of a person, an agent or a service."),
    ("propertyId", "The id of the property."),
    ("propertyIds", "The ids of properties."),
    ("recordedBy", "The id of whoever wrote it down."),
    ("region", "The state or the province."),
    ("resourceId", "The id of the thing that it happened to."),
    ("revokeReason", "The reason why it was taken back."),
    ("revokedAt", "The time when it was taken back."),
    ("revokedBy", "The id of whoever took it back."),
    ("role", "The role."),
    ("rows", "The figures."),
    ("scopes", "The reach of it: to see, or to act as well."),
    ("shareBasisPoints", "The share in hundredths of a percent: 10000 is the whole."),
    ("source", "The source of the amount, such as an invoice."),
    ("startCursor", "The cursor of the first entry."),
    ("startsAt", "The time from which on it counts."),
    ("startsOn", "The first day on which it holds."),
    ("state", "The state in which it is."),
    ("status", "Whether it is in use or archived."),
    ("targetNotes", "Notes on the aims of the portfolio."),
    ("timeZone", "The time zone, by its IANA name, such as America/Phoenix."),
    ("traceId", "The id by which our logs find the request."),
    ("type", "The type of the organization."),
    ("until", "The first day after the last."),
    ("updatedAt", "The time when it was changed last."),
    ("version", "The version. Send it with a change, so that nobody's change is lost."),
    ("website", "The address on the web."),
    ("withArchived", "Whether archived properties count as well."),
];

/// Values of enums, by the enum and the value, or by the value alone.
const VALUES: &[(&str, &str)] = &[
    ("AccessScope.ACT", "To see and to change what the policies let a concierge change."),
    ("AccessScope.READ", "To see."),
    ("ACTIVE", "It is in use."),
    ("DelegationState.ACTIVE", "It counts, or will within its term."),
    ("MembershipState.ACTIVE", "The invitation was accepted."),
    ("ARCHIVED", "It is put aside. Nothing is lost, and it can be restored."),
    ("AGENT", "An AI agent, which may suggest and not act."),
    ("ASSOCIATION_DUES", "Dues of an association."),
    ("ADMINISTRATOR", "Runs an organization that nobody owns: a desk, an association, a provider."),
    ("CANCELLED", "It was given up before anything was done."),
    ("COMMERCIAL", "A commercial building."),
    ("COMMUNITY_ASSOCIATION", "An association of owners."),
    ("COMPLETED", "It was done."),
    ("CONCIERGE_STAFF", "Works at a concierge's desk."),
    ("CONDOMINIUM", "A condominium."),
    ("OwnershipCapacity.CO_OWNER", "Owns a share beside others."),
    ("Role.CO_OWNER", "Owns together with others, and may do nearly all that an owner may."),
    ("COUNTRY", "By country."),
    ("DECLINED", "Whoever was invited declined."),
    ("EXPENSES", "The sum that went out."),
    ("EXPIRED", "Its term has ended."),
    ("FEES", "Fees."),
    ("HOA", "An association of owners."),
    ("HUMAN", "A person."),
    ("INCOME", "The sum that came in."),
    ("INDIVIDUAL_PROPERTY_OWNER", "A person who owns property."),
    ("INSURANCE", "Premiums of an insurance."),
    ("INVITED", "The invitation is open."),
    ("KIND", "By kind."),
    ("LAND", "Land without a building."),
    ("LOCALITY", "By town."),
    ("MAINTENANCE", "Repairs and upkeep."),
    ("MORTGAGE", "Payments of a mortgage."),
    ("MULTI_FAMILY", "A house with several dwellings."),
    ("OTHER", "Anything else."),
    ("OTHER_EXPENSE", "Any other expense."),
    ("OTHER_INCOME", "Any other income."),
    ("OwnershipCapacity.OWNER", "Owns it."),
    ("Role.OWNER", "Owns what the organization holds, and may do all."),
    ("REGION", "By state or province."),
    ("RENT", "Rent that came in."),
    ("REVOKED", "It was taken back."),
    ("RUNNING", "It is being done."),
    ("SERVICE", "A program of the organization."),
    ("SERVICE_PROVIDER", "A company that does work for owners."),
    ("SINGLE_FAMILY", "A house for one family."),
    ("STATUS", "By status."),
    ("SYSTEM", "The gateway itself."),
    ("TAX", "Taxes on the property."),
    ("TOWNHOUSE", "A town house."),
    ("TRUST_OR_LLC", "A trust or a company that holds property."),
    ("UTILITIES", "Water, power and the like."),
    ("VENDOR", "A company that does work or sells goods."),
];

/// Types by their names, where no declaration describes them.
const TYPES: &[(&str, &str)] = &[
    ("FinancialSum", "A sum of one kind, currency and month."),
    ("FinancialTotal", "The sums of one currency over all months and kinds."),
    (
        "Mutation",
        "Everything that can be done. Several mutations of one request run one after the other, and each fails for itself.",
    ),
    ("PageInfo", "The place of a page in its list."),
    ("Subscription", "Everything that can be followed as it happens."),
];

fn of(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, about)| *about)
}

fn fill(place: &mut Option<String>, about: impl FnOnce() -> Option<String>) {
    if place.is_none() {
        *place = about();
    }
}

/// A type that follows from another by its name.
fn of_type(name: &str) -> Option<String> {
    let field = |name: &str| format!("{}{}", name[..1].to_lowercase(), &name[1..]);
    if let Some(about) = of(TYPES, name) {
        return Some(about.to_owned());
    }
    let (of, about): (&str, fn(String) -> String) = [
        ("Connection", (|_| "A page of a list.".to_owned()) as fn(String) -> String),
        ("Edge", |_| "An entry of a page, with its place in the list.".to_owned()),
        ("Payload", |mutation| format!("The answer of the mutation `{mutation}`.")),
        ("Input", |mutation| format!("The input of the mutation `{mutation}`.")),
    ]
    .into_iter()
    .find_map(|(end, about)| Some((name.strip_suffix(end)?, about)))?;
    Some(about(field(of)))
}

/// The two directions of an order.
fn of_order(value: &str) -> Option<String> {
    let words = |name: &str| name.replace('_', " ").to_lowercase();
    let up = value.strip_suffix("_ASC").map(|name| format!("By {}, ascending.", words(name)));
    up.or_else(|| value.strip_suffix("_DESC").map(|name| format!("By {}, descending.", words(name))))
}

fn of_field(name: &str) -> Option<String> {
    of(FIELDS, name).map(str::to_owned)
}

fn fields(fields: &mut IndexMap<String, MetaField>) {
    for (name, field) in fields {
        fill(&mut field.description, || of_field(name));
        inputs(&mut field.args);
    }
}

/// The arguments of a subscription choose events, and not the entries of a list.
fn followed(subscription: &mut MetaField) {
    for (name, input) in &mut subscription.args {
        let about = match name.as_str() {
            "filter" => "The filter of the events. Without one, all that the subscriber may see.",
            "after" => "The cursor to go on from. Without one, the subscription begins now.",
            _ => continue,
        };
        fill(&mut input.description, || Some(about.to_owned()));
    }
}

fn inputs(inputs: &mut IndexMap<String, MetaInputValue>) {
    for (name, input) in inputs {
        fill(&mut input.description, || of_field(name));
    }
}

/// Describes whatever is not described yet.
fn describe(registry: &mut Registry) {
    for (name, meta) in &mut registry.types {
        match meta {
            MetaType::Object { description, fields: all, .. } => {
                fill(description, || of_type(name));
                if name == "Subscription" {
                    all.values_mut().for_each(followed);
                }
                fields(all);
            }
            MetaType::Interface { fields: all, .. } => fields(all),
            MetaType::InputObject { description, input_fields, .. } => {
                fill(description, || of_type(name));
                inputs(input_fields);
            }
            MetaType::Enum { enum_values, .. } => {
                for (value, told) in enum_values {
                    let known = of(VALUES, &format!("{name}.{value}")).or_else(|| of(VALUES, value));
                    fill(&mut told.description, || known.map(str::to_owned).or_else(|| of_order(value)));
                }
            }
            _ => {}
        }
    }
}

/// The last type that a schema registers: it finds all others there, and describes them.
pub struct Described;

#[async_trait]
impl OutputType for Described {
    fn type_name() -> Cow<'static, str> {
        <Node as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        let node = Node::create_type_info(registry);
        describe(registry);
        node
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

#[async_trait]
impl ContainerType for Described {
    async fn resolve_field(&self, _: &Context<'_>) -> ServerResult<Option<Value>> {
        Ok(None)
    }
}

impl async_graphql::InterfaceType for Described {}
