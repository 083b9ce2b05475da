//! Values that say by themselves whether they hold.

use crate::handle::{Output, Pinged};
use crate::traffic::{Answered, Carried, Connected, Delivered};

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

/// Something has arrived.
impl Holds for Carried {
    fn complaint(&self) -> Option<String> {
        (self.all() == 0).then(|| "nothing arrived".to_owned())
    }
}

/// All of them have arrived.
impl Holds for Delivered {
    fn complaint(&self) -> Option<String> {
        let lost = self.lost() > 0 || self.sent == 0;
        lost.then(|| format!("{} of {} arrived", self.arrivals.unique, self.sent))
    }
}

/// Every request has been answered.
impl Holds for Answered {
    fn complaint(&self) -> Option<String> {
        let answered = self.latency.count();
        (self.unanswered > 0 || answered == 0)
            .then(|| format!("{answered} of {} answered", answered + self.unanswered))
    }
}

/// Every connection has come about.
impl Holds for Connected {
    fn complaint(&self) -> Option<String> {
        let made = self.latency.count();
        (self.failed > 0 || made == 0).then(|| format!("{made} of {} came about", made + self.failed))
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
