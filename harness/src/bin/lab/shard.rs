//! A share of the scenarios, so that several machines play all of them together.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One of several shares: `1/4` to `4/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

impl Shard {
    /// Its files, in the order in which they were named. Which these are follows from the names alone, in whatever order.
    pub(crate) fn share(self, files: &[PathBuf]) -> Vec<PathBuf> {
        let mut ranks: Vec<(&Path, usize)> = files.iter().map(PathBuf::as_path).zip(0..).collect();
        ranks.sort_unstable();
        let mut ours: Vec<usize> =
            ranks.into_iter().map(|(_, at)| at).skip(self.number - 1).step_by(self.of).collect();
        ours.sort_unstable();
        ours.into_iter().map(|at| files[at].clone()).collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err("which share of how many, as `1/4` to `4/4`".to_owned()),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_share_of_several_is_one() {
        for text in ["", "1", "0/4", "5/4", "1/0", "-1/2", "a/b", "1/4/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("2/4".parse::<Shard>().map(|shard| shard.to_string()), Ok("2/4".to_owned()));
    }

    fn shares(files: &[PathBuf], of: usize) -> Vec<Vec<PathBuf>> {
        (1..=of).map(|number| Shard { number, of }.share(files)).collect()
    }

    fn sorted(mut files: Vec<PathBuf>) -> Vec<PathBuf> {
        files.sort();
        files
    }

    proptest! {
        #[test]
        fn every_file_is_in_exactly_one_share(names in prop::collection::vec("[a-c/]{0,3}", 0..40), of in 1..12usize) {
            let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            let shares = shares(&files, of);
            prop_assert_eq!(sorted(shares.concat()), sorted(files));
            let sizes = shares.iter().map(Vec::len);
            prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
        }

        #[test]
        fn the_order_of_the_names_does_not_matter(
            names in prop::collection::btree_set("[a-f]{1,3}", 0..20), of in 1..6usize, seed: u64,
        ) {
            let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            let mut shuffled = files.clone();
            fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
            for (one, other) in shares(&files, of).into_iter().zip(shares(&shuffled, of)) {
                prop_assert_eq!(one, sorted(other));
            }
        }

        #[test]
        fn files_are_played_in_the_order_of_the_command_line(names in prop::collection::vec("[a-z]{1,4}", 0..20)) {
            let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
            for share in shares(&files, 3) {
                let mut rest = files.iter();
                prop_assert!(share.iter().all(|file| rest.any(|other| other == file)));
            }
        }
    }
}
