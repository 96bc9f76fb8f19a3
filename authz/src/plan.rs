//! A query plan as a condition. It knows the shapes that the shipped policies give, and no more:
//! whatever else comes is an error that names it, never "all rows".

use crate::proto::{
    PlanResourcesFilter,
    plan_resources_filter::{
        Expression, Kind as FilterKind,
        expression::{Operand, operand::Node},
    },
};
use entities::attribute::{Attribute, Place, Typed};
use prost_types::value::Kind;
use schema::OrganizationId;
use sea_orm::{
    Condition,
    sea_query::{Alias, Expr, ExprTrait, SimpleExpr},
};
use uuid::Uuid;

pub struct Filter<'a> {
    pub plan: &'a PlanResourcesFilter,
    pub attributes: &'a [Attribute],
    pub acting: OrganizationId,
}

pub fn translate(filter: &Filter) -> Result<Condition, String> {
    match filter.plan.kind() {
        FilterKind::AlwaysAllowed => Ok(Condition::all()),
        FilterKind::AlwaysDenied => Ok(Condition::all().add(Expr::val(false))),
        FilterKind::Conditional => {
            let condition = filter.plan.condition.as_ref().ok_or("a conditional plan without a condition")?;
            Ok(Condition::all().add(filter.boolean(condition)?))
        }
        FilterKind::Unspecified => Err("a plan of unspecified kind".into()),
    }
}

impl Filter<'_> {
    fn boolean(&self, operand: &Operand) -> Result<SimpleExpr, String> {
        match operand.node.as_ref().ok_or("an empty operand")? {
            Node::Value(value) => match value.kind {
                Some(Kind::BoolValue(value)) => Ok(Expr::val(value)),
                _ => Err("a value that is not a boolean".into()),
            },
            Node::Variable(name) => Err(format!("the variable {name} as a condition")),
            Node::Expression(expression) => self.expression(expression),
        }
    }

    fn expression(&self, expression: &Expression) -> Result<SimpleExpr, String> {
        let operands = &expression.operands;
        match (expression.operator.as_str(), operands.as_slice()) {
            ("and", all) => self.joined(all, SimpleExpr::and),
            ("or", all) => self.joined(all, SimpleExpr::or),
            // SQL keeps a comparison with NULL unknown under NOT, as the policy language does.
            ("not", [one]) => Ok(self.boolean(one)?.not()),
            ("eq", [left, right]) => self.equals(left, right),
            ("ne", [left, right]) => Ok(self.equals(left, right)?.not()),
            ("in", [variable, list]) => self.one_of(variable, list),
            (operator, operands) => Err(format!("the operator {operator} with {} operands", operands.len())),
        }
    }

    fn joined(&self, all: &[Operand], join: fn(SimpleExpr, SimpleExpr) -> SimpleExpr) -> Result<SimpleExpr, String> {
        let mut parts = all.iter().map(|one| self.boolean(one));
        let first = parts.next().ok_or("a junction of nothing")??;
        parts.try_fold(first, |joined, part| Ok(join(joined, part?)))
    }

    fn equals(&self, left: &Operand, right: &Operand) -> Result<SimpleExpr, String> {
        // Equality is symmetric: a literal may stand on either side.
        let (attribute, literal) = match (self.attribute(left), self.attribute(right)) {
            (Some(attribute), None) => (attribute?, text(right)?),
            (None, Some(attribute)) => (attribute?, text(left)?),
            _ => return Err("a comparison that is not of an attribute with a literal".into()),
        };
        self.is(attribute, literal)
    }

    fn one_of(&self, variable: &Operand, list: &Operand) -> Result<SimpleExpr, String> {
        let attribute = self.attribute(variable).ok_or("membership of something that is not an attribute")??;
        let Some(Node::Value(prost_types::Value { kind: Some(Kind::ListValue(list)) })) = &list.node else {
            return Err("membership in something that is not a literal list".into());
        };
        let mut any = Expr::val(false);
        for value in &list.values {
            let Some(Kind::StringValue(literal)) = &value.kind else { return Err("a list of other than texts".into()) };
            any = any.or(self.is(attribute, literal)?);
        }
        Ok(any)
    }

    fn is(&self, attribute: &Attribute, literal: &str) -> Result<SimpleExpr, String> {
        let column = |name: &'static str| Expr::col((Alias::new(attribute.table), Alias::new(name)));
        match attribute.place {
            Place::Relation(name) => match literal {
                "OWN" => Ok(column(name).eq(self.acting.0)),
                "ENGAGED" => Ok(column(name).ne(self.acting.0)),
                _ => Ok(Expr::val(false)),
            },
            Place::Column(name) => match attribute.typed {
                Typed::Text => Ok(column(name).eq(literal)),
                // A literal that is no UUID equals none; NULL stays unknown.
                Typed::Uuid => Ok(match literal.parse::<Uuid>() {
                    Ok(id) => column(name).eq(id),
                    Err(_) => column(name).ne(column(name)),
                }),
            },
        }
    }

    /// None: it is not a variable. An unknown one is an error.
    fn attribute(&self, operand: &Operand) -> Option<Result<&Attribute, String>> {
        let Some(Node::Variable(name)) = &operand.node else { return None };
        let short = name.strip_prefix("request.resource.attr.").or_else(|| name.strip_prefix("R.attr."));
        let found = short.and_then(|short| self.attributes.iter().find(|attribute| attribute.name == short));
        Some(found.ok_or_else(|| format!("the variable {name}")))
    }
}

fn text(operand: &Operand) -> Result<&str, String> {
    match &operand.node {
        Some(Node::Value(prost_types::Value { kind: Some(Kind::StringValue(text)) })) => Ok(text),
        _ => Err("a literal that is not a text".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::{DbBackend, EntityTrait, QueryFilter, QueryTrait};

    fn variable(name: &str) -> Operand {
        Operand { node: Some(Node::Variable(format!("request.resource.attr.{name}"))) }
    }
    fn literal(text: &str) -> Operand {
        Operand { node: Some(Node::Value(prost_types::Value { kind: Some(Kind::StringValue(text.into())) })) }
    }
    fn apply(operator: &str, operands: Vec<Operand>) -> Operand {
        Operand { node: Some(Node::Expression(Expression { operator: operator.into(), operands })) }
    }

    #[expect(clippy::disallowed_methods, reason = "only built, never run")]
    fn sql(condition: Option<Operand>, kind: FilterKind) -> Result<String, String> {
        let plan = PlanResourcesFilter { kind: kind as i32, condition };
        let filter = Filter { plan: &plan, attributes: entities::operation::ATTRIBUTES, acting: Uuid::from_u128(7).into() };
        let sql = entities::operation::Entity::find().filter(translate(&filter)?).build(DbBackend::Postgres).to_string();
        Ok(sql.split_once(" WHERE ").map(|(_, condition)| condition.to_owned()).unwrap_or_default())
    }

    fn conditional(condition: Operand) -> Result<String, String> {
        sql(Some(condition), FilterKind::Conditional)
    }

    #[test]
    fn translates_what_the_policies_give() {
        let own = conditional(apply("eq", vec![literal("OWN"), variable("relation")]));
        assert_eq!(own.as_deref(), Ok("\"operation\".\"organization_id\" = '00000000-0000-0000-0000-000000000007'"));
        let states = conditional(apply("ne", vec![variable("state"), literal("QUEUED")]));
        assert_eq!(states.as_deref(), Ok("NOT \"operation\".\"state\" = 'QUEUED'"));
        let nobody = conditional(apply("eq", vec![variable("initiator"), literal("nobody")]));
        assert_eq!(nobody.as_deref(), Ok("\"operation\".\"initiator\" <> \"operation\".\"initiator\""));
        assert_eq!(sql(None, FilterKind::AlwaysDenied).as_deref(), Ok("FALSE"));
        assert_eq!(sql(None, FilterKind::AlwaysAllowed).as_deref(), Ok("TRUE"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (plan, named) in [
            (apply("eq", vec![variable("colour"), literal("red")]), "colour"),
            (apply("matches", vec![variable("state"), literal("Q.*")]), "matches"),
            (apply("eq", vec![variable("state"), variable("initiator")]), "comparison"),
            (apply("or", vec![]), "nothing"),
            (variable("state"), "state"),
        ] {
            let problem = conditional(plan).expect_err("refused");
            assert!(problem.contains(named), "{problem}");
        }
        assert!(sql(None, FilterKind::Unspecified).is_err());
        assert!(sql(None, FilterKind::Conditional).is_err());
    }
}
