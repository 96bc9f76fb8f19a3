//! What came in and went out, for one thing: the same for a property and for a portfolio.

/// Makes the procedure `OfOne` and the query field.
macro_rules! financials {
    ($over:ident, $kind:ident::$id:ident, $name:literal $about:literal, $input:ident, $query:ident.$field:ident) => {
        use crate::prelude::*;
        use async_graphql::Object;
        use kind::{Plan, Root};
        use owners::{
            report::{self, Financials, Over, Visible},
            $kind::$id,
        };
        use schema::{Nullable, nullable, snapshot};

        #[input]
        pub struct $input {
            pub id: $id,
            /// The first day.
            pub from: Option<Date>,
            /// The first day after.
            pub until: Option<Date>,
        }

        pub struct OfOne;

        impl Procedure for OfOne {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const RUNS: Runs = Runs::Read;
            const ERRORS: &'static [Code] = &[];
            type Input = $input;
            type Output = Financials;
            type Subject = Listed;

            fn example() -> $input {
                $input { id: $id::EXAMPLE, from: Date::parse("2026-01-01"), until: None }
            }

            async fn subject(_: &Context, _: &$input) -> Result<Listed> {
                Ok(Listed(Visible::KINDS))
            }

            async fn handle(cx: &Context, allowed: Allowed<Listed>, input: $input) -> Result<Financials> {
                let $input { id, from, until } = input;
                let visible = Visible::of(|kind| Ok(allowed.filter(kind)))?;
                let found = report::financials(cx.tx().await?, cx.owner(), visible, Over::$over(id), from, until).await?;
                found.ok_or_else(|| Error::new(Code::NOT_FOUND))
            }
        }

        #[derive(Default)]
        pub struct $query;

        impl Root for $query {
            const PLANS: &'static [Plan] = &[Plan::named(stringify!($field), Visible::KINDS)];
        }

        #[Object]
        impl $query {
            #[doc = $about]
            async fn $field(
                &self,
                cx: &async_graphql::Context<'_>,
                id: $id,
                from: Option<Date>,
                until: Option<Date>,
            ) -> Nullable<Financials> {
                nullable(async {
                    let snapshot = snapshot(cx).await?;
                    let visible = Visible::of(|kind| snapshot.filter(kind))?;
                    let found = report::financials(&snapshot.tx, snapshot.owner(), visible, Over::$over(id), from, until).await?;
                    Ok(Some(found.ok_or_else(|| Error::new(Code::NOT_FOUND))?))
                })
                .await
            }
        }
    };
}
pub(crate) use financials;
