//! What `json_schema` of a handler asks of payloads, before the handler sees them.

#[cfg(feature = "json-schema")]
mod compiled;

use schemars::Schema;

#[cfg(feature = "json-schema")]
pub use self::compiled::SchemaCheck;
#[cfg(not(feature = "json-schema"))]
pub use self::without::SchemaCheck;

/// An event that is declared: its name, its version and its own schema.
type Declared = (&'static str, u32, fn() -> Schema);

#[cfg(not(feature = "json-schema"))]
mod without {
    use super::Declared;
    use crate::dispatch::Hears;
    use crate::event::{Message, ReadError};

    /// What no program has that is built without JSON Schema.
    #[derive(Debug)]
    pub struct SchemaCheck(());

    impl SchemaCheck {
        /// # Panics
        /// Always; in a constant, so that the program does not compile.
        #[track_caller]
        pub const fn own() -> Self {
            panic!(
                "fanfare is built without JSON Schema; add its feature in Cargo.toml: `features = [\"json-schema\"]`"
            )
        }

        /// # Panics
        /// As [`own`](Self::own).
        #[track_caller]
        pub const fn foreign(_text: &'static str, _name: &'static str) -> Self {
            Self::own()
        }

        /// Never called, since there is none.
        pub(crate) fn compile(
            &self,
            _: Hears,
            _: impl Iterator<Item = Declared>,
        ) -> Result<(), String> {
            let SchemaCheck(()) = self;
            Err("fanfare is built without JSON Schema".to_owned())
        }

        /// Never called, since there is none.
        ///
        /// # Errors
        /// None.
        pub fn check(&self, _: &Message) -> Result<(), ReadError> {
            let SchemaCheck(()) = self;
            Ok(())
        }
    }
}
