//! Plain data of a run: time, configuration, plan, samples, histograms, intervals and the run directory
