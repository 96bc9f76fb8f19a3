//! Relations that are read a page at a time.

use super::{Plan, Relation, field, is, value};
use crate::{Filter, Page};
use async_graphql::{
    Context, InputType, OutputType, ServerResult, Value,
    registry::{MetaField, MetaInputValue, Registry},
};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schema::{Nullable, Result, Snapshot, input, nullable, snapshot};

/// The arguments of a list besides those that choose the page.
pub trait ListArguments: Sized + Send {
    fn declare(registry: &mut Registry, field: &mut MetaField);
    fn read(cx: &Context<'_>) -> ServerResult<Self>;
    fn check(&self) -> Result<()>;
}

impl ListArguments for () {
    fn declare(_: &mut Registry, _: &mut MetaField) {}
    fn read(_: &Context<'_>) -> ServerResult<Self> {
        Ok(())
    }
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl<F, O> ListArguments for (Option<F>, Option<O>)
where
    F: InputType + Filter + garde::Validate<Context = ()>,
    O: InputType + Send,
{
    fn declare(registry: &mut Registry, field: &mut MetaField) {
        argument::<Option<F>>(registry, field, "filter");
        argument::<Option<O>>(registry, field, "orderBy");
    }
    fn read(cx: &Context<'_>) -> ServerResult<Self> {
        Ok((cx.param_value("filter", None)?.1, cx.param_value("orderBy", None)?.1))
    }
    fn check(&self) -> Result<()> {
        input::validate_at("filter", self.0.as_ref())
    }
}

/// Declares an argument of a field.
pub fn argument<T: InputType>(registry: &mut Registry, field: &mut MetaField, name: &str) {
    let ty = T::create_type_info(registry);
    field.args.insert(name.to_owned(), MetaInputValue::new(name, ty));
}

impl Page {
    /// The page that the arguments of a field ask for.
    pub fn asked(cx: &Context<'_>) -> ServerResult<Page> {
        let (first, after) = (cx.param_value("first", None)?.1, cx.param_value("after", None)?.1);
        let (last, before) = (cx.param_value("last", None)?.1, cx.param_value("before", None)?.1);
        Ok(Page::of_field(cx, first, after, last, before))
    }
}

/// Finds a page for one row.
pub type Run<P, A, T> = for<'a> fn(&'a Snapshot, &'a P, A, Page) -> BoxFuture<'a, Result<T>>;
/// Finds a page for each row of a level, by one statement. None: these arguments need a statement for each row.
pub type Each<P> = for<'a> fn(&'a Context<'a>, &'a [&'a P]) -> BoxFuture<'a, Option<Vec<Value>>>;

/// A relation to the rows that hang on a row, a page at a time.
pub struct Pages<P, A, T> {
    pub field: &'static str,
    pub about: &'static str,
    pub plans: &'static [Plan],
    pub run: Run<P, A, T>,
    pub each: Option<Each<P>>,
}

#[async_trait]
impl<P: Sync, A: ListArguments, T: OutputType> Relation<P> for Pages<P, A, T> {
    fn fields(&self, registry: &mut Registry) -> Vec<(String, MetaField)> {
        let mut made = field::<Nullable<T>>(registry, self.field, self.about);
        argument::<Option<i32>>(registry, &mut made, "first");
        argument::<Option<String>>(registry, &mut made, "after");
        argument::<Option<i32>>(registry, &mut made, "last");
        argument::<Option<String>>(registry, &mut made, "before");
        A::declare(registry, &mut made);
        vec![(self.field.to_owned(), made)]
    }

    fn plans(&self) -> Vec<Plan> {
        self.plans.to_vec()
    }

    async fn resolve(&'static self, of: &P, cx: &Context<'_>) -> ServerResult<Option<Value>> {
        if !is(cx, self.field) {
            return Ok(None);
        }
        let asked = Page::asked(cx).and_then(|page| Ok((page, A::read(cx)?)));
        let (page, arguments) = asked.map_err(|error| cx.set_error_path(error))?;
        let found: Nullable<T> = nullable(async {
            arguments.check()?;
            let snapshot = snapshot(cx).await?;
            (self.run)(&snapshot, of, arguments, page).await.map(Some)
        })
        .await;
        value(cx, &found).await.map(Some)
    }

    fn all<'a>(&'static self, cx: &'a Context<'a>, of: &'a [&'a P]) -> Option<BoxFuture<'a, Option<Vec<Value>>>> {
        if !is(cx, self.field) {
            return None;
        }
        // Without a statement for many rows, the level goes field by field.
        let each = self.each?;
        Some(each(cx, of))
    }
}
