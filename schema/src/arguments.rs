//! Arguments that are malformed: an id that is no UUID, a day that is none. Each is told by its own path, and nulls only the field
//! that it was given to.

use crate::{Code, Date, Error, FieldError, Long, Time, graphql_field::Raw};
use async_graphql::{
    Context, InputType, ServerError, ServerResult, Value,
    registry::{MetaType, Registry},
};

/// The answer of a field of this object. Where its arguments are malformed, a nullable field is null, with an error at its place.
pub fn contained(cx: &Context<'_>, object: &str, answer: ServerResult<Option<Value>>) -> ServerResult<Option<Value>> {
    let Err(error) = answer else { return answer };
    let registry = &cx.schema_env.registry;
    let field = registry.types.get(object).and_then(|object| object.field_by_name(cx.item.node.name.node.as_str()));
    let known = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    let error = if known { error } else { told(cx, registry, object, error) };
    if field.is_none_or(|field| field.ty.ends_with('!')) {
        return Err(error);
    }
    cx.add_error(error);
    Ok(Some(Value::Null))
}

fn told(cx: &Context<'_>, registry: &Registry, object: &str, error: ServerError) -> ServerError {
    let field = registry.types.get(object).and_then(|object| object.field_by_name(cx.item.node.name.node.as_str()));
    let mut wrong = Vec::new();
    for (name, argument) in field.into_iter().flat_map(|field| &field.args) {
        if let Ok((_, Raw(Some(value)))) = cx.param_value::<Raw>(name, None) {
            malformed(registry, &argument.ty, &value, name, &mut wrong);
        }
    }
    if wrong.is_empty() {
        return cx.set_error_path(error);
    }
    let error = Error::new(Code::INVALID_INPUT).fields(wrong);
    error.trace();
    cx.set_error_path(async_graphql::Error::from(error).into_server_error(cx.item.pos))
}

/// The parts of a value that its scalar types do not take.
fn malformed(registry: &Registry, ty: &str, value: &Value, path: &str, wrong: &mut Vec<FieldError>) {
    let ty = ty.strip_suffix('!').unwrap_or(ty);
    if let (Some(inner), Value::List(items)) = (ty.strip_prefix('[').and_then(|ty| ty.strip_suffix(']')), value) {
        return items.iter().enumerate().for_each(|(at, item)| malformed(registry, inner, item, &format!("{path}.{at}"), wrong));
    }
    let ty = ty.trim_start_matches('[').trim_end_matches([']', '!']);
    match registry.types.get(ty) {
        Some(MetaType::InputObject { input_fields, .. }) => {
            let Value::Object(given) = value else { return };
            for (name, value) in given {
                if let Some(field) = input_fields.get(name.as_str()) {
                    malformed(registry, &field.ty, value, &format!("{path}.{name}"), wrong);
                }
            }
        }
        Some(MetaType::Scalar { .. }) if *value != Value::Null => {
            if let Some((code, message)) = unfit(ty, value) {
                wrong.push(FieldError {
                    field: path.to_owned(),
                    code: crate::FieldCode::named(code),
                    message: message.to_owned(),
                });
            }
        }
        _ => {}
    }
}

/// The reason why a scalar does not take a value.
fn unfit(scalar: &str, value: &Value) -> Option<(&'static str, &'static str)> {
    let fits = |fits: bool, code, message| (!fits).then_some((code, message));
    match scalar {
        "ID" | "UUID" => {
            let text = if let Value::String(text) = value { text.parse::<uuid::Uuid>().is_ok() } else { false };
            fits(text, "INVALID_UUID", "is not a UUID")
        }
        "Date" => fits(<Date as InputType>::parse(Some(value.clone())).is_ok(), "WRONG_TYPE", "is not a day, such as 2026-05-31"),
        "DateTime" => fits(
            <Time as InputType>::parse(Some(value.clone())).is_ok(),
            "WRONG_TYPE",
            "is not a time with its offset, such as 2026-05-31T12:00:00Z",
        ),
        "Long" => fits(<Long as InputType>::parse(Some(value.clone())).is_ok(), "WRONG_TYPE", "is not a whole number"),
        _ => None,
    }
}
