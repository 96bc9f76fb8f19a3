//! A query plan as the PDP sends it. It can be read from the PDP's JSON.

use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Filter {
    #[serde(rename = "KIND_ALWAYS_ALLOWED")]
    AlwaysAllowed,
    #[serde(rename = "KIND_ALWAYS_DENIED")]
    AlwaysDenied,
    #[serde(rename = "KIND_CONDITIONAL")]
    Conditional,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    pub kind: Filter,
    pub condition: Option<Operand>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operand {
    Value(Literal),
    Variable(String),
    Expression {
        operator: String,
        #[serde(default)]
        operands: Vec<Operand>,
    },
}

impl Plan {
    /// The plan with other texts in the place of some.
    pub fn renamed(&self, names: &[(&str, &str)]) -> Plan {
        Plan { kind: self.kind, condition: self.condition.as_ref().map(|condition| condition.renamed(names)) }
    }
}

impl Operand {
    fn renamed(&self, names: &[(&str, &str)]) -> Operand {
        crate::deeper(|| match self {
            Operand::Value(value) => Operand::Value(value.renamed(names)),
            Operand::Variable(name) => Operand::Variable(name.clone()),
            Operand::Expression { operator, operands } => Operand::Expression {
                operator: operator.clone(),
                operands: operands.iter().map(|operand| operand.renamed(names)).collect(),
            },
        })
    }
}

/// A value of the policy. A plan does not tell whole numbers from others; the type of a number is inferred from its place in the
/// plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Literal>),
    Struct(BTreeMap<String, Literal>),
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Literal::of(&serde_json::Value::deserialize(from)?).ok_or_else(|| de::Error::custom("a number that is none"))
    }
}

impl Literal {
    fn renamed(&self, names: &[(&str, &str)]) -> Literal {
        crate::deeper(|| match self {
            Literal::Text(text) => {
                Literal::Text(names.iter().find(|(from, _)| from == text).map_or(text.as_str(), |(_, to)| to).to_owned())
            }
            Literal::List(all) => Literal::List(all.iter().map(|each| each.renamed(names)).collect()),
            Literal::Struct(all) => Literal::Struct(all.iter().map(|(name, each)| (name.clone(), each.renamed(names))).collect()),
            Literal::Null | Literal::Bool(_) | Literal::Number(_) => self.clone(),
        })
    }

    /// None for a number that no double can hold.
    pub fn of(json: &serde_json::Value) -> Option<Literal> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null => Literal::Null,
            Json::Bool(value) => Literal::Bool(*value),
            Json::Number(value) => Literal::Number(value.as_f64()?),
            Json::String(value) => Literal::Text(value.clone()),
            Json::Array(all) => Literal::List(all.iter().map(Literal::of).collect::<Option<_>>()?),
            Json::Object(all) => {
                Literal::Struct(all.iter().map(|(name, each)| Some((name.clone(), Literal::of(each)?))).collect::<Option<_>>()?)
            }
        })
    }
}
