//! The learning curve as a picture: SVG, drawn without fonts of the system.

use std::path::Path;

use ocellus_graph::onnx::write_atomic;
use plotters::prelude::*;

use crate::error::TrainError;
use crate::history::History;

const TRAINING: RGBColor = RGBColor(31, 119, 180);
const EVALUATION: RGBColor = RGBColor(214, 39, 40);

/// Draws loss and accuracy over the steps.
///
/// # Errors
/// A drawing that fails.
pub fn learning_curve(history: &History, title: &str) -> Result<String, String> {
    let loss = [
        Curve {
            name: "training",
            color: TRAINING,
            points: points(history.training.iter().map(|p| (p.step, Some(p.loss)))),
        },
        Curve {
            name: "test",
            color: EVALUATION,
            points: points(history.evaluation.iter().map(|p| (p.step, Some(p.loss)))),
        },
    ];
    let accuracy = [
        Curve {
            name: "training",
            color: TRAINING,
            points: points(history.training.iter().map(|p| (p.step, p.accuracy))),
        },
        Curve {
            name: "test",
            color: EVALUATION,
            points: points(history.evaluation.iter().map(|p| (p.step, p.accuracy()))),
        },
    ];
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, 400)).into_drawing_area();
        area.fill(&WHITE).map_err(|e| e.to_string())?;
        let area = area.titled(title, ("sans-serif", 20)).map_err(|e| e.to_string())?;
        let halves = area.split_evenly((1, 2));
        draw(&halves[0], "loss", &loss, None)?;
        draw(&halves[1], "accuracy", &accuracy, Some((0.0, 1.0)))?;
        area.present().map_err(|e| e.to_string())?;
    }
    Ok(svg)
}

/// Draws the curves into a file.
///
/// # Errors
/// A drawing that fails, or what the system says.
pub fn write_learning_curve(path: &Path, history: &History, title: &str) -> Result<(), TrainError> {
    let svg = learning_curve(history, title).map_err(|e| TrainError::file(path, format!("cannot be drawn: {e}")))?;
    write_atomic(path, svg.as_bytes()).map_err(|e| TrainError::file(path, format!("cannot be written: {e}")))
}

struct Curve {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

fn points(values: impl Iterator<Item = (u64, Option<f64>)>) -> Vec<(f64, f64)> {
    let point = |(step, value): (u64, Option<f64>)| Some((step as f64, value.filter(|v| v.is_finite())?));
    values.filter_map(point).collect()
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    label: &str,
    curves: &[Curve],
    range: Option<(f64, f64)>,
) -> Result<(), String> {
    let all = || curves.iter().flat_map(|c| &c.points);
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let (low, high) = range.unwrap_or_else(|| (0.0, all().map(|p| p.1).fold(1e-3, f64::max) * 1.05));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, low..high)
        .map_err(|e| e.to_string())?;
    let step = |v: &f64| format!("{v:.0}");
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(label)
        .x_labels(6)
        .x_label_formatter(&step)
        .draw()
        .map_err(|e| e.to_string())?;
    for curve in curves.iter().filter(|c| !c.points.is_empty()) {
        let color = curve.color;
        let line = LineSeries::new(curve.points.iter().copied(), color.stroke_width(2));
        let series = chart.draw_series(line).map_err(|e| e.to_string())?;
        series.label(curve.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    if all().next().is_some() {
        let labels =
            chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw();
        labels.map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{EvaluationPoint, TrainingPoint};

    #[test]
    fn draws_two_panels() {
        let training = (1..20).map(|i| TrainingPoint { step: i, loss: 2.0 / i as f64, accuracy: Some(0.5), rate: 0.1 });
        let evaluation = vec![EvaluationPoint { step: 10, loss: 0.3, correct: Some(9), total: 10 }];
        let svg = learning_curve(&History { training: training.collect(), evaluation }, "lenet5").unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in ["lenet5", "loss", "accuracy", "step", "training", "test"] {
            assert!(svg.contains(&format!("\n{text}\n")), "{text} is not in the picture");
        }
        assert!(svg.matches("<polyline").count() >= 3);
    }

    #[test]
    fn an_empty_or_broken_history_still_draws() {
        assert!(learning_curve(&History::default(), "").is_ok());
        let point = TrainingPoint { step: 1, loss: f64::NAN, accuracy: None, rate: 0.1 };
        assert!(learning_curve(&History { training: vec![point], evaluation: vec![] }, "x").is_ok());
    }
}
