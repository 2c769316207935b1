//! Figures in lines.

use lockutils_benches::{median, quantile};

/// What was measured of one way, round by round, in microseconds.
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Vec<f64>>,
}

impl Measured {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), rounds: Vec::new() }
    }

    fn all(&self) -> Vec<f64> {
        self.rounds.concat()
    }

    /// Medians of the rounds, as parts of those of another in the same rounds: the middle one, and the quartiles.
    fn ratio_to(&self, unit: &Self) -> [f64; 3] {
        let both = self.rounds.iter().zip(&unit.rounds);
        let mut ratios: Vec<_> =
            both.map(|(own, other)| median(&mut own.clone()) / median(&mut other.clone())).collect();
        [0.25, 0.5, 0.75].map(|share| quantile(&mut ratios, share))
    }
}

/// A line for each, with these quantiles; ratios are those to the first one, and `asked` is what those should be of ours.
pub(crate) fn table(title: &str, columns: &[(&str, f64)], asked: f64, measured: &[Measured]) {
    let heads: Vec<_> = columns.iter().map(|(head, _)| format!("{head:>9}")).collect();
    println!("\n{title:<38} {} {:>7} {:>13} {:>7}", heads.join(" "), "ratio", "quartiles", "asked");
    for one in measured {
        let mut all = one.all();
        let figures: Vec<_> =
            columns.iter().map(|(_, share)| format!("{:>9.1}", quantile(&mut all, *share))).collect();
        let [low, ratio, high] = one.ratio_to(&measured[0]);
        let is_ours = one.name.starts_with("lockutils");
        let asked = if is_ours { format!("<= {asked:.1}") } else { String::new() };
        let (name, figures, spread) = (&one.name, figures.join(" "), format!("{low:.2} - {high:.2}"));
        println!("{name:<38} {figures} {ratio:>7.2} {spread:>13} {asked:>7}");
    }
}
