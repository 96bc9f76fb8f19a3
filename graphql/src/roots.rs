use crate::{
    bounds::Bounds,
    descriptions::Described,
    limits::{ALIASES, DEPTH, DIRECTIVES, FIELDS, RECURSION},
};
use async_graphql::{
    Context, ContextSelectionSet, ObjectType, OutputType, Positioned, SDLExportOptions, Schema, ServerResult, ValidationMode,
    Value,
    parser::types::Field,
    registry::{MetaType, MetaTypeId, ObjectBuilder, Registry},
    resolver_utils::{ContainerType, resolve_container, resolve_container_serial},
};
use async_trait::async_trait;
use indexmap::IndexMap;
use kind::{Plan, Root};
use resolvers::{
    OrganizationsQuery, TABLE,
    access_grant::{engaged::EngagedOrganizationsQuery, offers::AccessGrantOffersQuery},
    change::{ChangeQuery, live::LiveSubscription},
    engaged_property::EngagedPropertiesQuery,
    node::NodeQuery,
    operation::OperationQuery,
    organization::OrganizationQuery,
    organization::desks::DesksQuery,
    viewer::ViewerQuery,
    work_item::WorkItemCountsQuery,
};
use schema::Surface;
use std::borrow::Cow;

pub type GatewaySchema = Schema<Query, Mutation, LiveSubscription>;

/// The root of queries: its fields, each of which fails for itself.
#[derive(Default)]
pub struct Query(QueryFields);

#[async_trait]
impl OutputType for Query {
    fn type_name() -> Cow<'static, str> {
        "Query".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |registry| {
            QueryFields::create_type_info(registry);
            let fields = match registry.types.remove(&*QueryFields::type_name()) {
                Some(MetaType::Object { fields, .. }) => fields,
                _ => IndexMap::new(),
            };
            let about = "Everything that can be read. Each field is of the acting organization, unless it says otherwise.";
            ObjectBuilder::new("Query", fields)
                .description(Some(about.into()))
                .rust_typename(std::any::type_name::<Self>())
                .build()
        })
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(cx, self).await
    }
}

#[async_trait]
impl ContainerType for Query {
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        schema::contained(cx, "Query", self.0.resolve_field(cx).await)
    }
}

impl ObjectType for Query {}

kind::query! {
    QueryFields:
    ViewerQuery,
    NodeQuery,
    OrganizationQuery,
    EngagedOrganizationsQuery,
    AccessGrantOffersQuery,
    DesksQuery,
    EngagedPropertiesQuery,
    WorkItemCountsQuery,
    OrganizationsQuery,
    OperationQuery,
    ChangeQuery,
}

/// The plans of all fields that read kinds, each with its object.
pub fn plans() -> impl Iterator<Item = (String, Plan)> {
    let of = |object: &'static str| move |plan: &Plan| (object.to_owned(), *plan);
    let queries = QueryFields::PLANS.iter().map(of("Query"));
    let subscriptions = LiveSubscription::PLANS.iter().map(of("Subscription"));
    let relations = resolvers::relations().flat_map(|relations| {
        let object = relations.object();
        relations.plans().into_iter().map(move |plan| (object.clone(), plan))
    });
    queries.chain(subscriptions).chain(relations)
}

/// The mutations of the table. Those of one request run one after the other; each answers or fails by itself.
pub struct Mutation;

pub fn schema(introspection: bool) -> GatewaySchema {
    resolvers::declare();
    let builder = Schema::build(Query::default(), Mutation, LiveSubscription)
        .register_output_type::<Described>()
        .extension(Bounds)
        .limit_depth(DEPTH)
        .limit_complexity(FIELDS)
        .limit_recursive_depth(RECURSION)
        .limit_aliases(ALIASES)
        .limit_directives(DIRECTIVES);
    if introspection { builder.finish() } else { builder.disable_introspection().disable_suggestions().finish() }
}

/// The schema for documents that are known to be valid and within the limits.
pub fn proven(introspection: bool) -> GatewaySchema {
    resolvers::declare();
    let builder = Schema::build(Query::default(), Mutation, LiveSubscription)
        .register_output_type::<Described>()
        .extension(Bounds)
        .limit_recursive_depth(RECURSION)
        .validation_mode(ValidationMode::Fast);
    if introspection { builder.finish() } else { builder.disable_introspection().finish() }
}

/// The schema's text, as committed with the contract.
pub fn sdl() -> String {
    schema(true).sdl_with_options(SDLExportOptions::new().include_specified_by())
}

#[async_trait]
impl OutputType for Mutation {
    fn type_name() -> Cow<'static, str> {
        "Mutation".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Object, |registry| {
            let carried = TABLE.iter().filter(|entry| entry.is_mutation() && entry.surface() == Surface::Everywhere);
            let fields: IndexMap<_, _> = carried.map(|entry| (entry.parts().field(), entry.field(registry))).collect();
            ObjectBuilder::new("Mutation", fields).rust_typename(std::any::type_name::<Self>()).build()
        })
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container_serial(cx, self).await
    }
}

#[async_trait]
impl ContainerType for Mutation {
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        schema::resolve_mutation(cx).await
    }
}

impl ObjectType for Mutation {}
