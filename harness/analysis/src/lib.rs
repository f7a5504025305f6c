//! Pure statistics over a run: quantiles, intervals, scorecard, warnings
