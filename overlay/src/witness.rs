//! Whoever wants to hear what an engine does of its own accord.

use std::fmt::{self, Display};
use std::sync::Arc;

/// Hears, in sentences, what an engine does that no verb asked for: what it could not do, what it gave up, what it applied of
/// the store's changes. Nobody, unless said.
#[derive(Clone, Default)]
pub struct Witness(Option<Hear>);

type Hear = Arc<dyn Fn(&str) + Send + Sync>;

impl Witness {
    /// Somebody who hears each sentence. It is called from the engine's tasks, and must not block.
    pub fn new(hear: impl Fn(&str) + Send + Sync + 'static) -> Witness {
        Witness(Some(Arc::new(hear)))
    }

    /// Says something.
    pub(crate) fn say(&self, sentence: impl Display) {
        if let Some(hear) = &self.0 {
            hear(&sentence.to_string());
        }
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Witness(somebody)" } else { "Witness(nobody)" })
    }
}
