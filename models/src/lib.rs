//! The zoo: one folder per model, small trained models and sample pictures.
