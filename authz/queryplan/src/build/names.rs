//! Names: of the resource's attributes, of the principal's, and of lambdas' variables.

use super::{Builder, Built, Scope, lists::List, scalars::doubled};
use crate::{
    Result,
    form::{ColumnPath, Cond, Field, Rows, Term, Var},
    mapping::{Attribute, Elements, Of, Scalar},
    refuse,
};

impl Builder<'_> {
    pub(super) fn variable(&self, name: &str, scope: &Scope) -> Result<Built> {
        let mut segments = name.split('.');
        let first = segments.next().unwrap_or_default();
        let start = match scope.names.iter().rev().find(|(known, _)| known == first) {
            Some((_, built)) => built.clone(),
            None => {
                let beyond = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
                if let Some(rest) = beyond(["request.resource.", "R."]) {
                    segments = rest.split('.');
                    Built::Resource
                } else if let Some(rest) = beyond(["request.principal.", "P."]) {
                    // The planner leaves some of the principal's variables, inside lambdas.
                    segments = rest.split('.');
                    if !["id", "roles", "attr"].iter().any(|known| rest.split('.').next() == Some(known)) {
                        return refuse(format!("the variable {name}"));
                    }
                    doubled(self.literal(self.principal)?)
                } else {
                    return refuse(format!("the variable {name}"));
                }
            }
        };
        let mut found = start;
        for segment in segments {
            found = found
                .each(&mut |built| self.member(built, segment))
                .map_err(|_| crate::Refused(format!("the variable {name}")))?;
        }
        Ok(found)
    }

    pub(super) fn member(&self, of: Built, name: &str) -> Result<Built> {
        let root = || ColumnPath { var: Var(0), names: Vec::new(), hops: Vec::new() };
        match of {
            Built::Resource => match name {
                "id" => Ok(Built::Term(self.field(root(), "id", self.resource.id))),
                "attr" => Ok(Built::Record(ColumnPath { names: vec!["attr"], ..root() }, self.resource.attributes)),
                _ => refuse(format!("the resource's {name}")),
            },
            Built::Record(place, fields) => self.attribute(place, fields, name),
            Built::Struct(mut fields) => match fields.remove(name) {
                Some(built) => Ok(built),
                None => Ok(Built::Unknown),
            },
            other => refuse(format!("the field {name} of {}", other.name())),
        }
    }

    fn field(&self, mut place: ColumnPath, name: &'static str, value: Scalar) -> Term {
        place.names.push(name);
        Term::Field(Field { place, value })
    }

    fn attribute(&self, mut place: ColumnPath, fields: &'static [Attribute], name: &str) -> Result<Built> {
        let Some(attribute) = fields.iter().find(|attribute| attribute.name == name) else {
            return refuse(format!("the attribute {name}"));
        };
        if let Of::One(link) | Of::Many { link, .. } = &attribute.of {
            self.bound.borrow_mut().extend(link.bound.iter().map(|(_, binding)| *binding));
        }
        Ok(match &attribute.of {
            Of::Value(value) => Built::Term(self.field(place, attribute.name, *value)),
            Of::Object(fields) => {
                place.names.push(attribute.name);
                Built::Record(place, fields)
            }
            Of::One(link) => {
                place.names.push(attribute.name);
                place.hops.push(link);
                Built::Record(place, link.to.fields)
            }
            Of::Many { link, elements, order } => {
                place.names.push(attribute.name);
                let var = Var(self.rows.get());
                self.rows.set(var.0 + 1);
                let of = ColumnPath { var, names: Vec::new(), hops: Vec::new() };
                let element = match elements {
                    Elements::Records => Built::Record(of, link.to.fields),
                    Elements::Values(value) => Built::Term(Term::Field(Field { place: of, value: *value })),
                };
                let rows = Rows { place, link, order: *order, var };
                let (included, sound) = (Cond::Known(true), Cond::Known(true));
                Built::List(List::Rows { rows, included, sound, element: Box::new(element), vague: false })
            }
        })
    }
}
