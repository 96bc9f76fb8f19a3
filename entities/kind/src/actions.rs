//! The mutations that a reader may call on a thing: the same policies as judge the call, applied in memory to a page of rows at once.

use crate::{
    Delegable, Kind, Row, Seen, among, delegated,
    node::ApiOf,
    relation::{Declared, Plan, Relation, Relations},
    row,
};
use async_graphql::{
    Context, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
    dataloader::Loader,
    indexmap::IndexMap,
    parser::types::Field,
    registry::{MetaEnumValue, MetaField, MetaType, MetaTypeId, Registry},
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schema::{Entry, Error, Judged, Nullable, OrganizationId, Result, Snapshot, Subject, load_one, nullable, relation, snapshot};
use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{Arc, OnceLock, Weak},
};
use uuid::Uuid;

/// A mutation that is asked about for each thing of a kind.
#[derive(Clone)]
pub struct Action {
    /// The mutation, in capitals, such as `PROPERTY_UPDATE`.
    pub name: Name,
    /// The kind and the action that the policy is asked about.
    pub kind: &'static str,
    pub action: &'static str,
    /// The attributes of the new row in the procedure's own example, for a mutation that makes one.
    fresh: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The actions by the kind of thing that they are about. What makes something that hangs on no other thing is an action of the
/// organization.
static ACTIONS: OnceLock<HashMap<&'static str, Vec<Action>>> = OnceLock::new();

/// The kind that an organization's own object has.
const ORGANIZATION: &str = "organization";

/// Makes the mutations of a table known, once, before any schema is made. `kind_of` finds the kind of a namespace.
pub fn declare(table: &[Entry], kind_of: impl Fn(&str) -> Option<&'static crate::KindInfo>) {
    ACTIONS.get_or_init(|| {
        let mut actions: HashMap<&'static str, Vec<Action>> = HashMap::new();
        for entry in table.iter().filter(|entry| entry.is_mutation() && entry.in_an_organization()) {
            let Some(kind) = kind_of(entry.parts().namespace) else { continue };
            let example = entry.example();
            let there = example.get("id").is_some();
            let about = if there { kind.name } else { entry.below().unwrap_or(ORGANIZATION) };
            let fresh = (!there).then(|| {
                let known = |name: &String| kind.resource.attributes.iter().any(|attribute| attribute.name == name);
                let fields = example.as_object().cloned().unwrap_or_default();
                fields.into_iter().filter(|(name, _)| known(name)).collect()
            });
            let action =
                Action { name: Name::new(shouted(&entry.parts().field())), kind: kind.name, action: entry.parts().verb, fresh };
            actions.entry(about).or_default().push(action);
        }
        actions
    });
}

/// `propertyUpdate` is `PROPERTY_UPDATE`.
fn shouted(field: &str) -> String {
    let mut text = String::with_capacity(field.len() + 4);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// The actions on a thing of a kind.
pub fn of(kind: &str) -> &'static [Action] {
    ACTIONS.get().and_then(|actions| actions.get(kind)).map_or(&[], Vec::as_slice)
}

/// A mutation, by the name of its field.
pub struct MutationName(Name);

#[async_trait]
impl OutputType for MutationName {
    fn type_name() -> Cow<'static, str> {
        "MutationName".into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Enum, |_| {
            let mut names: Vec<&Name> =
                ACTIONS.get().into_iter().flat_map(HashMap::values).flatten().map(|action| &action.name).collect();
            names.sort_unstable();
            let value = |name: &Name| {
                let field = name.split('_').enumerate().map(|(at, word)| {
                    let lower = word.to_ascii_lowercase();
                    if at == 0 { lower } else { format!("{}{}", &word[..1], &lower[1..]) }
                });
                let about = format!("The mutation `{}`.", field.collect::<String>());
                (name.to_string(), MetaEnumValue { description: Some(about), ..MetaEnumValue::new(name.as_str()) })
            };
            MetaType::Enum {
                name: "MutationName".into(),
                description: Some("A mutation, by the name of its field in capitals.".into()),
                enum_values: names.into_iter().map(value).collect::<IndexMap<_, _>>(),
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Enum(self.0.clone()))
    }
}

const FIELD: &str = "actionsAllowed";
const ABOUT: &str = "The mutations that you may call on it now, by the policies and by its state; for what belongs to another organization, through \
     its grant to yours. Another reason may still refuse one, such as its input.";

/// The field `actionsAllowed` of a kind's object.
struct ActionsAllowed<K>(PhantomData<fn() -> K>);

/// The relations that every object of a kind has.
pub trait OfEvery {
    fn of_every(&self) -> &'static dyn Declared;
}

impl<K: Kind> OfEvery for ApiOf<K> {
    fn of_every(&self) -> &'static dyn Declared {
        let actions: &'static dyn Relation<K::Object> = Box::leak(Box::new(ActionsAllowed::<K>(PhantomData)));
        Box::leak(Box::new(Relations::<K::Object>(Box::leak(Box::new([actions])))))
    }
}

type Key = crate::Key;

/// The place of an object, out of its own fields.
fn place<K: Kind>(object: &K::Object) -> Option<Key> {
    use crate::OnePass;
    let text = |name: &str| match object.plain(name)? {
        Value::String(text) => text.parse::<Uuid>().ok(),
        _ => None,
    };
    let id = text("id")?;
    Some((OrganizationId(text("organizationId").unwrap_or(id)), id))
}

struct Loads<K>(Weak<Snapshot>, PhantomData<fn() -> K>);

#[async_trait]
impl<K: Kind> Loader<Key> for Loads<K> {
    type Value = Vec<Name>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Key]) -> Result<HashMap<Key, Vec<Name>>, Arc<Error>> {
        let load = async {
            let snapshot = self.0.upgrade().ok_or_else(|| Error::internal("the query is over"))?;
            allowed::<K>(&snapshot, keys).await
        };
        load.await.map_err(Arc::new)
    }
}

/// The actions that the reader may do on each of these things: one statement for the rows, and one for what was delegated over them.
#[expect(clippy::disallowed_methods, reason = "begins with the organizations of its keys")]
async fn allowed<K: Kind>(snapshot: &Snapshot, keys: &[Key]) -> Result<HashMap<Key, Vec<Name>>> {
    let ids: Vec<Uuid> = keys.iter().map(|(_, id)| *id).collect();
    let select = K::Entity::find().filter(among(&snapshot.tx, K::ORGANIZATION, keys)).filter(K::ID.eq_any(ids));
    let mut rows = row::all::<K>(&snapshot.tx, select.filter(snapshot.filter(K::KIND)?)).await?;
    K::prepared(&snapshot.tx, &mut rows, snapshot.actor.organization, snapshot.now).await?;
    let what: Vec<(OrganizationId, Delegable)> = match snapshot.actor.delegated {
        true => rows.iter().filter_map(|row| Some((row.organization(), row.delegable()?))).collect(),
        false => Vec::new(),
    };
    let acted_for = acted_for(snapshot, rows.iter().map(Row::organization)).await?;
    let delegations = delegated::over_all(&snapshot.tx, &what, snapshot.actor.principal).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let place = (row.organization(), row.id());
        let held = row.delegable().and_then(|what| delegations.get(&(row.organization(), what)).cloned()).unwrap_or_default();
        let possible =
            |action: &&Action| action.fresh.is_some() || row.possible(action.action, snapshot.actor.organization, snapshot.now);
        let possible: Vec<&Action> = of(K::KIND).iter().filter(possible).collect();
        let Judged::One(resource) = Seen::of(row, snapshot.actor.organization, held).judged() else { continue };
        let may = |action: &Action| {
            let attributes = match &action.fresh {
                None => resource.attributes.clone(),
                // A new row is its organization's, and is judged by what was delegated over the thing that it hangs on.
                Some(fresh) => {
                    let mut attributes = fresh.clone();
                    attributes.insert("relation".into(), relation(place.0, snapshot.actor.organization).into());
                    if let Some(held) = resource.attributes.get(delegated::ATTRIBUTE) {
                        attributes.insert(delegated::ATTRIBUTE.into(), held.clone());
                    }
                    attributes.into()
                }
            };
            let id = if action.fresh.is_some() { Uuid::nil() } else { resource.id };
            snapshot.may(action.kind, action.action, &json!({ "id": id, "attr": attributes }), acted_for.contains(&place.0))
        };
        let mut names = Vec::new();
        for action in possible {
            if may(action)? {
                names.push(action.name.clone());
            }
        }
        found.insert(place, names);
    }
    Ok(found)
}

/// Of these owners those for whom the reader may act: by the grant of the request, for its owner, else by any that a call could name.
async fn acted_for(snapshot: &Snapshot, owners: impl Iterator<Item = OrganizationId>) -> Result<HashSet<OrganizationId>> {
    let through = snapshot.actor.through;
    let named = |owner: &OrganizationId| through.is_some_and(|through| through.owner == *owner);
    let others: HashSet<OrganizationId> = owners.filter(|owner| *owner != snapshot.actor.organization).collect();
    let (named, others): (HashSet<_>, HashSet<_>) = others.into_iter().partition(named);
    let mut acted_for = if through.is_some_and(|through| through.acts) { named } else { HashSet::new() };
    if !others.is_empty() {
        const SQL: &str = "SELECT acted_for AS id FROM app.acted_for($1::uuid[])";
        let others: Vec<Uuid> = others.into_iter().map(|owner| owner.0).collect();
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, SQL, [others.into()]);
        for row in snapshot.tx.query_all_raw(statement).await? {
            acted_for.insert(OrganizationId(row.try_get("", "id")?));
        }
    }
    Ok(acted_for)
}

fn values(names: &[Name]) -> Value {
    Value::List(names.iter().cloned().map(Value::Enum).collect())
}

#[async_trait]
impl<K: Kind> Relation<K::Object> for ActionsAllowed<K> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        let mut field = MetaField::new(FIELD, <Nullable<Vec<MutationName>> as OutputType>::create_type_info(registry));
        field.description = Some(ABOUT.to_owned());
        if of(K::KIND).is_empty() { Vec::new() } else { vec![(FIELD.to_owned(), field)] }
    }

    fn plans(&self) -> Vec<Plan> {
        if of(K::KIND).is_empty() { Vec::new() } else { vec![Plan::of(FIELD, const { &[K::KIND] }).judging()] }
    }

    async fn resolve(&'static self, of: &K::Object, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        if cx.item.node.name.node != FIELD {
            return Ok(None);
        }
        let found = nullable(async {
            let Some(place) = place::<K>(of) else { return Ok(None) };
            let loader = snapshot(cx).await?.loader(|snapshot| Loads::<K>(snapshot, PhantomData));
            load_one(&loader, place).await
        });
        match found.await {
            Some(Ok(names)) => Ok(Some(values(&names))),
            Some(Err(error)) => {
                cx.add_error(error.into_server_error(cx.item.pos));
                Ok(Some(Value::Null))
            }
            None => Ok(Some(Value::Null)),
        }
    }

    fn all<'a>(&'static self, cx: &'a Context<'a>, of: &'a [&'a K::Object]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        (cx.item.node.name.node == FIELD).then(|| -> BoxFuture<'a, _> {
            Box::pin(async move {
                let places: Vec<Option<Key>> = of.iter().map(|object| place::<K>(object)).collect();
                let wanted: HashSet<Key> = places.iter().flatten().copied().collect();
                let snapshot = snapshot(cx).await.ok()?;
                let found = allowed::<K>(&snapshot, &Vec::from_iter(wanted)).await.ok()?;
                let value =
                    |place: &Option<Key>| place.and_then(|place| found.get(&place)).map_or(Value::Null, |names| values(names));
                Some(places.iter().map(value).collect())
            })
        })
    }
}
