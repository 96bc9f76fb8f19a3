//! Where an attribute that a policy names is found in SQL.

/// Its type decides how a literal of the policy is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    Text,
    Uuid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A column of the kind's own table.
    Column(&'static str),
    /// OWN where this column is the acting organization, else ENGAGED.
    Relation(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub table: &'static str,
    pub place: Place,
    pub typed: Typed,
}

impl Attribute {
    pub const fn text(table: &'static str, name: &'static str, column: &'static str) -> Self {
        Attribute { name, table, place: Place::Column(column), typed: Typed::Text }
    }
    pub const fn uuid(table: &'static str, name: &'static str, column: &'static str) -> Self {
        Attribute { name, table, place: Place::Column(column), typed: Typed::Uuid }
    }
    pub const fn relation(table: &'static str, column: &'static str) -> Self {
        Attribute { name: "relation", table, place: Place::Relation(column), typed: Typed::Text }
    }
}
