//! The places where attributes are stored, declared once for each kind of resource, as constants.

/// A kind of resource: its table, its id and its attributes.
#[derive(Debug)]
pub struct Resource {
    pub table: &'static str,
    pub id: Scalar,
    pub attributes: &'static [Attribute],
}

/// Another table, to whose rows a relation leads.
#[derive(Debug)]
pub struct Record {
    pub table: &'static str,
    pub fields: &'static [Attribute],
}

#[derive(Debug)]
pub struct Attribute {
    pub name: &'static str,
    pub of: Of,
}

#[derive(Debug)]
pub enum Of {
    /// A column of this row.
    Value(Scalar),
    /// Names below this one, over the same row.
    Object(&'static [Attribute]),
    /// A row of another table, or none: then the attribute is missing.
    One(&'static Link),
    /// Rows of another table: a list, which is never missing. Without an order, nothing may depend on
    /// the position of an element.
    Many { link: &'static Link, elements: Elements, order: Option<&'static str> },
}

/// The elements of a list.
#[derive(Debug, Clone, Copy)]
pub enum Elements {
    /// The rows, with the fields of their record.
    Records,
    /// One column of each row.
    Values(Scalar),
}

/// The way from a row to rows of another table.
#[derive(Debug)]
pub struct Link {
    /// Tables on the way, in this order.
    pub through: &'static [Hop],
    pub to: &'static Record,
    /// Pairs of equal columns: of the row before, and of this one.
    pub on: &'static [(&'static str, &'static str)],
    /// Columns of this row, each with the binding that it equals. A document has those rows only.
    pub bound: &'static [(&'static str, &'static str)],
}

#[derive(Debug)]
pub struct Hop {
    pub table: &'static str,
    pub on: &'static [(&'static str, &'static str)],
}

#[derive(Debug, Clone, Copy)]
pub struct Scalar {
    pub column: &'static str,
    pub stored: ScalarType,
    pub null: Null,
}

/// A column's type, which also decides the type that the policy sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    Bool,
    /// `int` or `bigint`; the policy sees a double, as with every number of an attribute.
    Integer,
    /// `double precision`.
    Double,
    Text,
    /// `uuid`; the policy sees its lower-case text.
    Uuid,
    /// `timestamptz`; the policy sees a text that only `timestamp()` reads.
    Timestamp,
    /// One text where the column equals a binding, and another where it does not.
    Choice {
        binding: &'static str,
        equal: &'static str,
        other: &'static str,
    },
}

/// The meaning of a NULL in the column to the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// The column is NOT NULL.
    Never,
    /// The attribute is missing, so that using it is an error.
    Missing,
    /// The attribute is there, and is null.
    Explicit,
}

impl Scalar {
    pub const fn new(column: &'static str, stored: ScalarType) -> Self {
        Scalar { column, stored, null: Null::Never }
    }
    pub const fn text(column: &'static str) -> Self {
        Self::new(column, ScalarType::Text)
    }
    pub const fn uuid(column: &'static str) -> Self {
        Self::new(column, ScalarType::Uuid)
    }
    pub const fn or_missing(self) -> Self {
        Scalar { null: Null::Missing, ..self }
    }
    pub const fn or_null(self) -> Self {
        Scalar { null: Null::Explicit, ..self }
    }
}

impl Attribute {
    pub const fn value(name: &'static str, value: Scalar) -> Self {
        Attribute { name, of: Of::Value(value) }
    }
    pub const fn text(name: &'static str, column: &'static str) -> Self {
        Self::value(name, Scalar::text(column))
    }
    pub const fn uuid(name: &'static str, column: &'static str) -> Self {
        Self::value(name, Scalar::uuid(column))
    }
}
