//! Conversions between the PDP's messages and our types.

use crate::proto::{
    PlanResourcesFilter,
    plan_resources_filter::{
        Kind as FilterKind,
        expression::{Operand as WireOperand, operand::Node},
    },
};
use prost_types::value::Kind;
use queryplan::{Filter, Literal, Operand, Plan};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;

/// The plan in a message. None: the message is not whole.
pub fn plan(filter: &PlanResourcesFilter) -> Option<Plan> {
    let kind = match filter.kind() {
        FilterKind::AlwaysAllowed => Filter::AlwaysAllowed,
        FilterKind::AlwaysDenied => Filter::AlwaysDenied,
        FilterKind::Conditional => Filter::Conditional,
        FilterKind::Unspecified => return None,
    };
    let condition = match &filter.condition {
        Some(condition) => Some(operand(condition)?),
        None => None,
    };
    Some(Plan { kind, condition })
}

fn operand(wire: &WireOperand) -> Option<Operand> {
    Some(match wire.node.as_ref()? {
        Node::Value(value) => Operand::Value(literal(value)?),
        Node::Variable(name) => Operand::Variable(name.clone()),
        Node::Expression(expression) => Operand::Expression {
            operator: expression.operator.clone(),
            operands: expression.operands.iter().map(operand).collect::<Option<_>>()?,
        },
    })
}

fn literal(value: &prost_types::Value) -> Option<Literal> {
    Some(match value.kind.as_ref()? {
        Kind::NullValue(_) => Literal::Null,
        Kind::BoolValue(value) => Literal::Bool(*value),
        Kind::NumberValue(value) => Literal::Number(*value),
        Kind::StringValue(value) => Literal::Text(value.clone()),
        Kind::ListValue(all) => Literal::List(all.values.iter().map(literal).collect::<Option<_>>()?),
        Kind::StructValue(all) => {
            Literal::Struct(all.fields.iter().map(|(name, each)| Some((name.clone(), literal(each)?))).collect::<Option<_>>()?)
        }
    })
}

pub fn attributes(object: &Map<String, Json>) -> HashMap<String, prost_types::Value> {
    object.iter().map(|(name, each)| (name.clone(), value(each))).collect()
}

fn value(json: &Json) -> prost_types::Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => Kind::StringValue(value.clone()),
        Json::Array(all) => Kind::ListValue(prost_types::ListValue { values: all.iter().map(value).collect() }),
        Json::Object(all) => Kind::StructValue(prost_types::Struct {
            fields: all.iter().map(|(name, each)| (name.clone(), value(each))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}
