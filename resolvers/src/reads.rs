//! What every kind has: one by its id, and a list, on both surfaces. Declared once a kind, in its
//! domain's `mod.rs`.

/// Makes the procedures `Get` and `List` and the query fields of a kind.
macro_rules! reads {
    (
        $kind:ident: $object:ident, $id:ident, $filter:ident, $order:ident;
        $get_about:literal $get_name:literal $get_input:ident ($example:literal), $one:ident $one_about:literal;
        $list_about:literal $list_name:literal $list_input:ident ($first_order:ident), $many:ident $many_about:literal;
        $query:ident
    ) => {
        #[derive(
            Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema, garde::Validate, async_graphql::InputObject,
        )]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $get_input {
            #[garde(skip)]
            pub id: entities::$kind::$id,
        }

        pub struct Get;

        impl schema::Procedure for Get {
            const NAME: &'static str = $get_name;
            const ABOUT: &'static str = $get_about;
            const KIND: schema::Kind = schema::Kind::Read;
            const ERRORS: &'static [schema::Code] = &[];
            type Input = $get_input;
            type Output = entities::$kind::$object;
            type Subject = entities::loading::Seen<entities::$kind::Model>;

            fn example() -> $get_input {
                $get_input { id: entities::$kind::$id(uuid::uuid!($example)) }
            }

            async fn subject(cx: &schema::Context, input: &$get_input) -> schema::Result<Self::Subject> {
                entities::loading::one(cx, entities::$kind::by_id(cx.owner(), input.id)).await
            }

            async fn handle(
                _: &schema::Context,
                allowed: schema::Allowed<Self::Subject>,
                _: $get_input,
            ) -> schema::Result<Self::Output> {
                Ok(allowed.into_subject().row.into())
            }
        }

        #[derive(
            Debug,
            Clone,
            Default,
            serde::Serialize,
            serde::Deserialize,
            schemars::JsonSchema,
            garde::Validate,
            async_graphql::InputObject,
        )]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $list_input {
            #[garde(custom(schema::valid::page_size))]
            pub first: Option<i32>,
            #[garde(skip)]
            pub after: Option<String>,
            #[garde(custom(schema::valid::page_size))]
            pub last: Option<i32>,
            #[garde(skip)]
            pub before: Option<String>,
            #[garde(dive)]
            pub filter: Option<entities::$kind::$filter>,
            #[garde(skip)]
            pub order_by: Option<entities::$kind::$order>,
            /// Count all that match, exactly.
            #[garde(skip)]
            pub with_total: Option<bool>,
        }

        pub struct List;

        impl schema::Procedure for List {
            const NAME: &'static str = $list_name;
            const ABOUT: &'static str = $list_about;
            const KIND: schema::Kind = schema::Kind::Read;
            const ERRORS: &'static [schema::Code] = &[schema::Code::InvalidCursor];
            type Input = $list_input;
            type Output = entities::page::Connection<entities::$kind::$object>;
            type Subject = $crate::Listed;

            fn example() -> $list_input {
                $list_input { first: Some(20), order_by: Some(entities::$kind::$order::$first_order), ..Default::default() }
            }

            async fn subject(_: &schema::Context, _: &$list_input) -> schema::Result<$crate::Listed> {
                Ok($crate::Listed(&[entities::$kind::KIND]))
            }

            async fn handle(
                cx: &schema::Context,
                allowed: schema::Allowed<$crate::Listed>,
                input: $list_input,
            ) -> schema::Result<Self::Output> {
                let $list_input { first, after, last, before, filter, order_by, with_total } = input;
                let page = entities::page::Page { first, after, last, before, with_total: with_total.unwrap_or_default() };
                let visible = allowed.filter(entities::$kind::KIND);
                entities::$kind::list(cx.tx().await?, cx.owner(), visible, filter, order_by, page).await
            }
        }

        #[derive(Default)]
        pub struct $query;

        #[async_graphql::Object]
        impl $query {
            #[doc = $one_about]
            async fn $one(
                &self,
                cx: &async_graphql::Context<'_>,
                id: entities::$kind::$id,
            ) -> schema::Nullable<entities::ready::Ready<entities::$kind::$object>> {
                schema::nullable(async {
                    use sea_orm::QueryFilter as _;
                    let snapshot = schema::snapshot(cx).await?;
                    let select = entities::$kind::by_id(snapshot.owner(), id).filter(snapshot.filter(entities::$kind::KIND)?);
                    let row = select.one(&snapshot.tx).await?.ok_or_else(|| schema::Error::new(schema::Code::NotFound))?;
                    Ok(Some(entities::ready::Ready(row.into())))
                })
                .await
            }

            #[doc = $many_about]
            #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
            async fn $many(
                &self,
                cx: &async_graphql::Context<'_>,
                first: Option<i32>,
                after: Option<String>,
                last: Option<i32>,
                before: Option<String>,
                filter: Option<entities::$kind::$filter>,
                order_by: Option<entities::$kind::$order>,
            ) -> schema::Nullable<entities::ready::Ready<entities::page::Connection<entities::$kind::$object>>> {
                let with_total = cx.look_ahead().field("totalCount").exists();
                let page = entities::page::Page { first, after, last, before, with_total };
                schema::nullable(async {
                    schema::input::validate_at("filter", filter.as_ref())?;
                    let snapshot = schema::snapshot(cx).await?;
                    let visible = snapshot.filter(entities::$kind::KIND)?;
                    let list = entities::$kind::list(&snapshot.tx, snapshot.owner(), visible, filter, order_by, page).await?;
                    Ok(Some(entities::ready::Ready(list)))
                })
                .await
            }
        }
    };
}
pub(crate) use reads;
