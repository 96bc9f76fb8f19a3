//! New rows about a property, about a portfolio, or about neither.

use kind::{Fresh, Kind, New, NewBelow, Row, Seen};
use owners::{
    portfolio::{self, PortfolioId},
    property::{self, PropertyId},
};
use schema::{Context, Judged, Resource, Result, Subject};

/// A row before it is written, judged by the rights over the thing that it is about.
#[derive(Debug, Clone)]
pub enum About<F> {
    Nothing(New<F>),
    Property(NewBelow<property::Model, F>),
    Portfolio(NewBelow<portfolio::Model, F>),
}

impl<F: Fresh<Row: Kind>> About<F> {
    /// A new row about the property, else about the portfolio. NOT_FOUND if it is not there.
    pub async fn of(cx: &Context, property: Option<PropertyId>, portfolio: Option<PortfolioId>, fresh: F) -> Result<Self> {
        Ok(match (property, portfolio) {
            (Some(id), _) => About::Property(Seen::find(cx, id).await?.with(fresh)),
            (None, Some(id)) => About::Portfolio(Seen::find(cx, id).await?.with(fresh)),
            (None, None) => About::Nothing(New::of(cx, fresh)),
        })
    }
}

impl<F: Fresh<Row: Row>> Subject for About<F> {
    fn judged(&self) -> Judged {
        match self {
            About::Nothing(new) => new.judged(),
            About::Property(new) => new.judged(),
            About::Portfolio(new) => new.judged(),
        }
    }

    fn beheld(&self) -> Option<Resource> {
        match self {
            About::Nothing(new) => new.beheld(),
            About::Property(new) => new.beheld(),
            About::Portfolio(new) => new.beheld(),
        }
    }
}

impl<F> From<About<F>> for New<F> {
    fn from(about: About<F>) -> Self {
        match about {
            About::Nothing(new) => new,
            About::Property(new) => new.into(),
            About::Portfolio(new) => new.into(),
        }
    }
}
