//! The name that was probably meant.

/// The nearest of some names, if one is near at all.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = wrong.chars().count().min(30) / 3;
    names
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit.max(1))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance of two names, capped for long ones.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let change = corner + usize::from(a != *b);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_near_one() {
        assert_eq!(nearest("engin", ["name", "engine"]), Some("engine"));
        assert_eq!(nearest("warehouse", ["docker0", "docker1"]), None);
        assert_eq!(nearest("docker2", ["docker0", "docker1"]), Some("docker0"));
    }
}
