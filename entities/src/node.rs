//! Nodes: things of any kind that have an id.

use crate::{KINDS, viewer::Viewer};
use async_graphql::{
    ContainerType, Context, ContextSelectionSet, ID, InterfaceType, OutputType, Positioned, ServerResult, Value,
    indexmap::{IndexMap, IndexSet},
    parser::types::Field,
    registry::{MetaField, MetaType, MetaTypeId, Registry},
    resolver_utils::{Fields, resolve_container},
};
use async_trait::async_trait;
use kind::{Api, Thing};
use schema::{OrganizationId, Reading, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
use std::{
    any::Any,
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// A thing of any kind that has an id.
#[derive(Clone)]
pub struct Node(Arc<dyn Thing>);

/// The viewer, which is found by its id as everything is.
struct Myself(Viewer);

#[async_trait]
impl Thing for Myself {
    fn archived(&self) -> bool {
        false
    }
    fn object(&self) -> Cow<'static, str> {
        Viewer::type_name()
    }
    fn json(&self) -> serde_json::Result<serde_json::Value> {
        Ok(serde_json::json!({ "id": self.0.id }))
    }
    fn known(&self) -> &(dyn Any + Send + Sync) {
        &self.0
    }
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(cx).await
    }
    fn collect<'a>(&'a self, cx: &ContextSelectionSet<'a>, fields: &mut Fields<'a>) -> ServerResult<()> {
        self.0.collect_all_fields(cx, fields)
    }
}

impl From<Viewer> for Node {
    fn from(viewer: Viewer) -> Self {
        Node(Arc::new(Myself(viewer)))
    }
}

impl Node {
    /// Whether the thing is archived: out of the way, though still there.
    pub fn archived(&self) -> bool {
        self.0.archived()
    }

    /// The object itself, if it is of this type.
    pub fn as_object<T: Clone + 'static>(&self) -> Option<T> {
        self.0.known().downcast_ref::<T>().cloned()
    }
}

/// The kinds whose things have an id, each with its `Api`.
fn apis() -> impl Iterator<Item = (&'static str, &'static dyn Api)> {
    KINDS.iter().filter_map(|kind| Some((kind.name, kind.api?)))
}

/// Things of these kinds and organizations; operations are the acting one's. One statement reads each kind asked for.
pub async fn find(
    reading: &dyn Reading,
    owners: &[OrganizationId],
    wanted: &[(&'static str, Uuid)],
) -> Result<HashMap<(&'static str, Uuid), Node>> {
    let mut found = HashMap::new();
    for (kind, api) in apis() {
        let ids: Vec<Uuid> = wanted.iter().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
        if !ids.is_empty() {
            let things = api.find(reading, owners, ids).await?;
            found.extend(things.into_iter().map(|(id, thing)| ((kind, id), Node(thing))));
        }
    }
    Ok(found)
}

/// Things of any kind, the organization's and those of all who engaged the acting one. One statement finds their kinds and owners,
/// then one reads each kind that was found.
pub async fn find_any(reading: &dyn Reading, ids: &[Uuid]) -> Result<HashMap<Uuid, Node>> {
    let places = kind::find(reading, apis(), reading.owner(), ids).await?;
    let owners: BTreeSet<OrganizationId> = places.iter().map(|place| place.owner).collect();
    let known: Vec<_> = places.iter().map(|place| (place.kind, place.id)).collect();
    let found = find(reading, &Vec::from_iter(owners), &known).await?;
    Ok(found.into_iter().map(|((_, id), node)| (id, node)).collect())
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut tagged = serde_json::Map::from_iter([("__typename".to_owned(), self.0.object().into_owned().into())]);
        if let serde_json::Value::Object(fields) = self.0.json().map_err(S::Error::custom)? {
            tagged.extend(fields);
        }
        tagged.serialize(serializer)
    }
}

/// A node is output of reads only. No stored outcome holds one, so that none is ever read back.
impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        Err(serde::de::Error::custom("a node is not read back"))
    }
}

impl JsonSchema for Node {
    fn schema_name() -> Cow<'static, str> {
        "Node".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut apis: Vec<_> = apis().map(|(_, api)| api).collect();
        apis.sort_unstable_by_key(|api| api.object());
        let variant = |api: &dyn Api| {
            let mut object = api.schema(generator);
            tag(&mut object, &api.object());
            object
        };
        let variants: Vec<Schema> = apis.into_iter().map(variant).collect();
        schemars::json_schema!({ "description": "Anything that has an id, whatever it is.", "oneOf": variants })
    }
}

/// Adds the object's name to its schema, as `__typename`.
fn tag(object: &mut Schema, name: &str) {
    object.insert("type".into(), "object".into());
    object.insert("properties".into(), serde_json::json!({ "__typename": { "type": "string", "const": name } }));
    object.insert("required".into(), serde_json::json!(["__typename"]));
}

#[async_trait]
impl ContainerType for Node {
    async fn resolve_field(&self, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(cx).await
    }

    fn collect_all_fields<'a>(&'a self, cx: &ContextSelectionSet<'a>, fields: &mut Fields<'a>) -> ServerResult<()> {
        self.0.collect(cx, fields)
    }
}

#[async_trait]
impl OutputType for Node {
    fn type_name() -> Cow<'static, str> {
        "Node".into()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.object()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| {
            let mut possible_types = IndexSet::new();
            for (_, api) in apis() {
                api.register(registry);
                registry.add_implements(&api.object(), "Node");
                possible_types.insert(api.object().into_owned());
            }
            registry_viewer(registry, &mut possible_types);
            let id = MetaField::new("id", <ID as OutputType>::create_type_info(registry));
            MetaType::Interface {
                name: "Node".into(),
                description: Some("Anything that has an id, whatever it is.".into()),
                fields: IndexMap::from_iter([("id".to_owned(), id)]),
                possible_types,
                extends: false,
                keys: None,
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(&self, cx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_container(cx, self).await
    }
}

fn registry_viewer(registry: &mut Registry, possible_types: &mut IndexSet<String>) {
    // What this answers is the type with its `!`, which is no name.
    Viewer::create_type_info(registry);
    let viewer = Viewer::type_name().into_owned();
    registry.add_implements(&viewer, "Node");
    possible_types.insert(viewer);
}

impl InterfaceType for Node {}
