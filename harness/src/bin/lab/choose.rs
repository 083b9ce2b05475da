//! Which lab a command is for.

use harness::control::{Answer, Client, Request};
use harness::state::{Found, Home, Root, State};
use harness::{Error, Kind};
use serde_json::Value;

/// What was said for all commands.
#[derive(Debug)]
pub(crate) struct Scope {
    /// `--lab`
    pub(crate) lab: Option<String>,
    /// `--json`
    pub(crate) json: bool,
}

impl Scope {
    /// The lab that is meant: the one named, else the only one that is up.
    pub(crate) fn find(&self) -> Result<(Home, State), Error> {
        find(self.lab.as_deref())
    }

    /// A connection to the lab that is meant.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        Client::connect(&self.find()?.0)
    }

    /// Asks the lab that is meant, and does something with each item of its answer as it comes.
    pub(crate) fn each(
        &self,
        request: &Request,
        mut item: impl FnMut(Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<Answer> {
        let mut failed = None;
        let asked = self.client()?.each(request, |value| {
            item(value).map_err(|error| {
                // What it was is told below; here it ends the answer.
                let end = Error::new(Kind::Machine, &error);
                failed = Some(error);
                end
            })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(asked?),
        }
    }
}

/// The lab of that name, else the only one that is up.
pub(crate) fn find(name: Option<&str>) -> Result<(Home, State), Error> {
    let root = Root::open()?;
    if let Some(name) = name {
        let home = root.lab(name)?;
        return match home.find()? {
            Some(Found::Alive(state)) => Ok((home, state)),
            Some(Found::Dead) => Err(gone(name)),
            None => Err(Error::no_such("lab", name, names(&root)?.iter().map(String::as_str))),
        };
    }
    let mut alive = Vec::new();
    let mut dead = Vec::new();
    for (home, found) in root.labs()? {
        match found {
            Found::Alive(state) => alive.push((home, state)),
            Found::Dead => dead.push(home),
        }
    }
    match (alive.pop(), alive.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            let mut names: Vec<&str> = alive.iter().map(|(home, _)| home.name()).collect();
            names.push(last.0.name());
            let many = format_args!("several labs are up ({}); say which with --lab", names.join(", "));
            Err(Error::new(Kind::NoSuch, many))
        }
        (None, _) => match dead.first() {
            Some(home) => Err(gone(home.name())),
            None => Err(Error::new(Kind::NoSuch, "no lab is up; `lab up FILE` builds one")),
        },
    }
}

fn gone(name: &str) -> Error {
    Error::new(
        Kind::NoSuch,
        format_args!("lab {name} is gone: it was killed; `lab gc` removes what is left of it"),
    )
}

fn names(root: &Root) -> Result<Vec<String>, Error> {
    let alive =
        |(home, found): (Home, Found)| matches!(found, Found::Alive(_)).then(|| home.name().to_owned());
    Ok(root.labs()?.into_iter().filter_map(alive).collect())
}
