//! The normal distribution.

use std::f64::consts::TAU;

/// A normally distributed number of mean 0 and deviation 1, from two fractions below 1 (Box and Muller, A Note on the
/// Generation of Random Normal Deviates, 1958).
pub(super) fn normal(first: f64, second: f64) -> f64 {
    // The fraction may be 0 and never 1, the logarithm the other way round.
    (-2.0 * (1.0 - first).ln()).sqrt() * (TAU * second).cos()
}

/// How likely such a number is above `z` (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17: the error is
/// below 7.5e-8, and in the tail below a hundredth of the value as far as z = 6).
pub(super) fn above(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    let coefficients = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let tail = density * t * coefficients.into_iter().fold(0.0, |sum, next| sum * t + next);
    if z < 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_that_of_the_tables() {
        let table = [(0.0, 0.5), (1.0, 0.158_655_254), (-1.0, 0.841_344_746), (2.0, 0.022_750_132)];
        for (z, expected) in table {
            assert!((above(z) - expected).abs() < 1e-7, "{z}: {}", above(z));
        }
        for (z, expected) in [(4.0, 3.167_124e-5), (5.0, 2.866_516e-7), (6.0, 9.865_877e-10)] {
            assert!((above(z) / expected - 1.0).abs() < 0.01, "{z}: {}", above(z));
        }
    }

    #[test]
    fn the_ends_of_the_fractions_are_numbers() {
        let last = 1.0 - f64::EPSILON / 2.0;
        for (first, second) in [(0.0, 0.0), (last, last), (last, 0.0), (0.0, last)] {
            assert!(normal(first, second).abs() < 9.0);
        }
    }
}
