//! From what an expression gives to a value, or to why there is none.
//!
//! An expression may give a value, a result, or something to be awaited that becomes one of these. Which of the traits here
//! is meant is found by the compiler: it tries the one that needs fewer references first.

use std::cell::Cell;
use std::fmt::Display;
use std::future::{IntoFuture, Ready as Now, ready};

use crate::error::{Error, Kind, Result};

/// What an expression gave.
pub struct Given<T>(Cell<Option<T>>);

impl<T> Given<T> {
    /// It.
    pub fn new(value: T) -> Given<T> {
        Given(Cell::new(Some(value)))
    }

    fn take(&self) -> T {
        self.0.take().expect("it is taken once")
    }
}

/// It is something to be awaited.
pub trait Await {
    /// What is awaited.
    type Settling;
    /// What has to be awaited.
    fn settle(self) -> Self::Settling;
}

impl<T: IntoFuture> Await for &Given<T> {
    type Settling = T::IntoFuture;
    fn settle(self) -> T::IntoFuture {
        self.take().into_future()
    }
}

/// It is there already.
pub trait Ready {
    /// What is awaited.
    type Settling;
    /// What has to be awaited: nothing.
    fn settle(self) -> Self::Settling;
}

impl<T> Ready for &&Given<T> {
    type Settling = Now<T>;
    fn settle(self) -> Now<T> {
        ready(self.take())
    }
}

/// It is a value or an error.
pub trait Fallible {
    /// The value.
    type Value;
    /// The value, or why there is none.
    fn value(self) -> Result<Self::Value>;
}

impl<T, E: Display> Fallible for &Given<Result<T, E>> {
    type Value = T;
    fn value(self) -> Result<T> {
        self.take().map_err(|error| Error::new(Kind::Unmet, error))
    }
}

/// It is a value.
pub trait Plain {
    /// It.
    type Value;
    /// It.
    fn value(self) -> Result<Self::Value>;
}

impl<T> Plain for &&Given<T> {
    type Value = T;
    fn value(self) -> Result<T> {
        Ok(self.take())
    }
}
