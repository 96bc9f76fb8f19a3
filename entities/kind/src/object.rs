//! The object that clients see of a row: its columns, and the relations that are declared above the kinds.

use crate::{OnePass, relation};
use async_graphql::{
    Context, OutputType, ServerResult, Value,
    indexmap::IndexMap,
    registry::{MetaField, MetaTypeId, ObjectBuilder, Registry},
};

/// The fields of an object while it is registered.
pub struct Fields<'a> {
    registry: &'a mut Registry,
    fields: IndexMap<String, MetaField>,
}

impl Fields<'_> {
    pub fn add<T: OutputType>(&mut self, name: &str, about: Option<&str>) {
        let mut field = MetaField::new(name, T::create_type_info(self.registry));
        field.description = about.map(str::to_owned);
        self.fields.insert(name.to_owned(), field);
    }
}

/// Registers an object with its columns and its relations.
pub fn object<T: OutputType + 'static>(registry: &mut Registry, about: &str, columns: impl Fn(&mut Fields<'_>)) -> String {
    registry.create_output_type::<T, _>(MetaTypeId::Object, |registry| {
        let mut fields = Fields { registry, fields: IndexMap::new() };
        columns(&mut fields);
        let Fields { registry, mut fields } = fields;
        fields.extend(relation::fields::<T>(registry));
        ObjectBuilder::new(T::type_name().into_owned(), fields)
            .description(Some(about.to_owned()))
            .rust_typename(std::any::type_name::<T>())
            .build()
    })
}

/// The value of one field: out of the row, or along a relation.
pub async fn resolve_field<T: OnePass + 'static>(of: &T, cx: &Context<'_>) -> ServerResult<Option<Value>> {
    match of.plain(cx.item.node.name.node.as_str()) {
        Some(value) => Ok(Some(value)),
        None => relation::resolve(of, cx).await,
    }
}
