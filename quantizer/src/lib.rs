//! Float graph to integer graph: observers, calibration, schemes, error report.
