//! Values that say by themselves whether they hold.

use crate::handle::{Output, Pinged};

/// A value that says by itself whether it holds.
pub trait Holds {
    /// Why it does not; nothing if it does.
    fn complaint(&self) -> Option<String>;
}

impl Holds for () {
    fn complaint(&self) -> Option<String> {
        None
    }
}

impl Holds for bool {
    fn complaint(&self) -> Option<String> {
        (!self).then(|| "false".to_owned())
    }
}

impl<T> Holds for Option<T> {
    fn complaint(&self) -> Option<String> {
        self.is_none().then(|| "nothing".to_owned())
    }
}

/// Every request has been answered.
impl Holds for Pinged {
    fn complaint(&self) -> Option<String> {
        (self.answered() < self.sent).then(|| self.to_string())
    }
}

/// It ended well.
impl Holds for Output {
    fn complaint(&self) -> Option<String> {
        (self.status != 0).then(|| self.to_string())
    }
}

/// There are some.
impl<T> Holds for Vec<T> {
    fn complaint(&self) -> Option<String> {
        self.is_empty().then(|| "none".to_owned())
    }
}

/// It was opened.
impl Holds for tokio::net::TcpStream {
    fn complaint(&self) -> Option<String> {
        None
    }
}
