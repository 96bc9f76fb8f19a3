//! The two verbs of a kind whose rows are archived and restored, where nothing else follows from it.

/// Makes the procedures `Archive` and `Restore`. A kind without codes of its own passes the general ones.
#[macro_export]
macro_rules! shelf {
    (
        $kind:ident: $object:ident, $runs:expr;
        $archive:literal $archive_input:ident $archive_about:literal $archived:expr;
        $restore:literal $restore_input:ident $restore_about:literal $not_archived:expr;
    ) => {
        $crate::shelf!(@ Archive $archive $archive_input $archive_about, true, $archived, $kind $object $runs);
        $crate::shelf!(@ Restore $restore $restore_input $restore_about, false, $not_archived, $kind $object $runs);
    };
    // A kind that is only archived.
    ($kind:ident: $object:ident, $runs:expr; $archive:literal $archive_input:ident $archive_about:literal $archived:expr;) => {
        $crate::shelf!(@ Archive $archive $archive_input $archive_about, true, $archived, $kind $object $runs);
    };
    (@ $verb:ident $name:literal $input:ident $about:literal, $archives:literal, $code:expr, $kind:ident $object:ident $runs:expr) => {
        #[::kind::input]
        pub struct $input {
            pub id: <$kind::Model as ::kind::Kind>::Id,
            /// The version that was read.
            #[version]
            pub version: i32,
        }

        pub struct $verb;

        impl ::schema::Procedure for $verb {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = $about;
            const RUNS: ::schema::Runs = $runs;
            const ERRORS: &'static [::schema::Code] = &[::schema::Code::VERSION_CONFLICT, $code];
            type Input = $input;
            type Output = $kind::$object;
            type Subject = ::kind::Seen<$kind::Model>;

            fn example() -> $input {
                $input { id: <$kind::Model as ::kind::Kind>::EXAMPLE, version: 1 }
            }

            async fn subject(cx: &::schema::Context, input: &$input) -> ::schema::Result<Self::Subject> {
                ::kind::Seen::find(cx, input.id).await
            }

            async fn handle(
                cx: &::schema::Context,
                allowed: ::schema::Allowed<Self::Subject>,
                input: $input,
            ) -> ::schema::Result<Self::Output> {
                use ::kind::{Kind as _, Verbs as _};
                let row = cx.edit(allowed, input.version)?;
                if row.archived() == $archives {
                    return Err(::kind::refusal::<$kind::Model>($code));
                }
                Ok(cx.shelve(row, $archives).await?.into())
            }
        }
    };
}
