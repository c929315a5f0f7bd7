//! `Axis`: from numbers to places on a line, and which numbers are written beside it. Knows no picture.

/// How the numbers of an axis are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Evenly, from zero.
    FromZero,
    /// Evenly, around what there is to show.
    Fitted,
    /// By powers of ten. All numbers must be greater than zero.
    Log,
}

/// What the numbers of an axis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things: `10`, `1k`, `1M`.
    Count,
    /// Shares of which 1 is all that can be: the axis ends there. 0.25 is written `25 %`.
    Share,
    /// Other shares, written in the same way.
    Percent,
    /// Milliseconds: `5 ms`, `2 s`.
    Millis,
}

/// What an axis shows, before it is known which numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) label: &'static str,
    pub(super) scale: Scale,
    pub(super) unit: Unit,
}

/// An axis: the numbers at its two ends, and those in between that are written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    scale: Scale,
    unit: Unit,
    from: f64,
    to: f64,
    pub(super) ticks: Vec<f64>,
}

/// Numbers that are written beside an axis, at most. More would touch one another.
const MOST_TICKS: usize = 6;

impl Kind {
    /// The axis that has room for all of `numbers`, which are finite.
    pub(super) fn axis(self, numbers: impl Iterator<Item = f64>) -> Axis {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers {
            (least, most) = (least.min(number), most.max(number));
        }
        if least > most {
            (least, most) = (1.0, 1.0);
        }
        match self.scale {
            Scale::Log => self.log(least, most),
            Scale::FromZero => self.even(0.0, most),
            Scale::Fitted => self.even(least, most),
        }
    }

    fn log(self, least: f64, most: f64) -> Axis {
        let least = if least > 0.0 { least } else { f64::MIN_POSITIVE.max(most.abs() * 1e-6) };
        let (first, last) = (least.log10().floor() as i32, most.max(least).log10().ceil() as i32);
        let last = last.max(first + 1);
        let within = |tick: &f64| *tick >= least * 0.999 && *tick <= most * 1.001;
        let decades: Vec<f64> = (first..=last).map(|power| 10_f64.powi(power)).collect();
        let fine = || decades.iter().flat_map(|decade| [1.0, 2.0, 5.0].map(|part| part * decade));
        let is_wide = decades.iter().filter(|tick| within(tick)).count() > 2;
        let mut ticks: Vec<f64> = if is_wide {
            decades.iter().copied().filter(within).collect()
        } else {
            fine().filter(within).collect()
        };
        while ticks.len() > MOST_TICKS + 1 {
            ticks = ticks.into_iter().step_by(2).collect();
        }
        let to = if most > least { most } else { least * 10.0 };
        Axis { scale: self.scale, unit: self.unit, from: least, to, ticks }
    }

    fn even(self, least: f64, most: f64) -> Axis {
        let most = if self.unit == Unit::Share { 1.0 } else { most };
        let most = if most > least { most } else { least + least.abs().max(1.0) };
        let step = step(most - least);
        let (first, last) = ((least / step + 1e-9).floor(), (most / step - 1e-9).ceil());
        let ticks = (0..=(last - first) as usize).map(|number| (first + number as f64) * step).collect();
        Axis { scale: self.scale, unit: self.unit, from: first * step, to: last * step, ticks }
    }
}

/// The distance of ticks over so long a range: 1, 2 or 5 of a power of ten.
fn step(range: f64) -> f64 {
    let power = 10_f64.powf((range / MOST_TICKS as f64).log10().floor());
    let fits = |part: &f64| range / (part * power) <= MOST_TICKS as f64 - 1.0 + 1e-9;
    [1.0, 2.0, 5.0, 10.0, 20.0].into_iter().find(fits).unwrap_or(20.0) * power
}

impl Axis {
    /// Where `number` is between the ends of the axis, which are at 0 and 1.
    pub(super) fn place(&self, number: f64) -> f64 {
        let at = |number: f64| if self.scale == Scale::Log { number.max(self.from).log10() } else { number };
        (at(number) - at(self.from)) / (at(self.to) - at(self.from))
    }

    /// `number` as it is written beside the axis.
    pub(super) fn written(&self, number: f64) -> String {
        match self.unit {
            Unit::Count => count(number),
            Unit::Share | Unit::Percent => format!("{} %", plain(number * 100.0)),
            Unit::Millis if number >= 1000.0 => format!("{} s", plain(number / 1000.0)),
            Unit::Millis => format!("{} ms", plain(number)),
        }
    }
}

fn count(number: f64) -> String {
    match number.abs() {
        1e6.. => format!("{}M", plain(number / 1e6)),
        1e3.. => format!("{}k", plain(number / 1e3)),
        _ => plain(number),
    }
}

/// Without the noise of binary fractions.
fn plain(number: f64) -> String {
    let rounded = (number * 1000.0).round() / 1000.0;
    (rounded + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(scale: Scale, unit: Unit) -> Kind {
        Kind { label: "", scale, unit }
    }

    fn written(kind: Kind, numbers: &[f64]) -> String {
        let axis = kind.axis(numbers.iter().copied());
        axis.ticks.iter().map(|tick| axis.written(*tick)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers_and_enclose_everything() {
        let counts = kind(Scale::FromZero, Unit::Count);
        assert_eq!(written(counts, &[3.1, 4.7]), "0 1 2 3 4 5");
        assert_eq!(written(counts, &[17.0, 48.0]), "0 10 20 30 40 50");
        assert_eq!(written(counts, &[21_000.0]), "0 5k 10k 15k 20k 25k");
        assert_eq!(written(kind(Scale::Fitted, Unit::Share), &[0.93, 0.99]), "92 % 94 % 96 % 98 % 100 %");
        assert_eq!(written(kind(Scale::FromZero, Unit::Share), &[0.1]), "0 % 20 % 40 % 60 % 80 % 100 %");
    }

    #[test]
    fn a_log_axis_names_powers_of_ten_or_finer_steps_if_there_are_few() {
        let log = kind(Scale::Log, Unit::Count);
        assert_eq!(written(log, &[10.0, 1e6]), "10 100 1k 10k 100k 1M");
        assert_eq!(written(log, &[10.0, 60.0]), "10 20 50");
        assert_eq!(
            written(kind(Scale::Log, Unit::Millis), &[80.0, 9_000.0]),
            "100 ms 200 ms 500 ms 1 s 2 s 5 s"
        );
    }

    #[test]
    fn places_follow_the_scale() {
        let log = kind(Scale::Log, Unit::Count).axis([10.0, 1000.0].into_iter());
        assert_eq!([10.0, 100.0, 1000.0].map(|number| log.place(number)), [0.0, 0.5, 1.0]);
        let even = kind(Scale::FromZero, Unit::Count).axis([9.0].into_iter());
        assert_eq!([0.0, 5.0, 10.0].map(|number| even.place(number)), [0.0, 0.5, 1.0]);
    }

    #[test]
    fn an_axis_exists_for_whatever_is_shown() {
        for scale in [Scale::FromZero, Scale::Fitted, Scale::Log] {
            for unit in [Unit::Count, Unit::Share, Unit::Millis] {
                for numbers in [&[][..], &[0.0], &[1.0], &[0.5, 0.5], &[1e-9, 1e12]] {
                    let axis = kind(scale, unit).axis(numbers.iter().copied());
                    let places = numbers.iter().map(|number| axis.place(*number));
                    let ends = places.clone().fold((0.0_f64, 1.0_f64), |(a, b), p| (a.min(p), b.max(p)));
                    assert!(places.clone().all(f64::is_finite), "{scale:?} {unit:?} {numbers:?}");
                    assert!(axis.ticks.len() <= 8, "{axis:?}");
                    if unit != Unit::Share {
                        assert!(ends.0 > -1e-6 && ends.1 < 1.0 + 1e-6, "{axis:?} {numbers:?}");
                    }
                }
            }
        }
    }
}
