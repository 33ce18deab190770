//! Trains a LeNet on a set of the MNIST family and writes the model and its learning curve.
//!
//! `cargo run --release --example lenet -- FOLDER [BACKEND [EPOCHS]]`, where FOLDER holds the four idx files.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use ocellus_graph::ValueId;
use ocellus_ops::{OpError, Window};
use ocellus_trainer::data::{IdxDataset, IdxPart, Normalization};
use ocellus_trainer::optimizers::Adam;
use ocellus_trainer::{
    Classification, ConvLayer, EvaluationPoint, NetworkBuilder, Progress, Schedule, StepReport, Trainer, TrainerConfig,
};

fn lenet(net: &mut NetworkBuilder, x: ValueId) -> Result<ValueId, OpError> {
    let x = net.conv_layer("conv1", x, &ConvLayer::new(16, Window::square(5, 1, 2)))?;
    let x = net.relu(x)?;
    let x = net.max_pool(x, &Window::square(2, 2, 0))?;
    let x = net.conv_layer("conv2", x, &ConvLayer::new(32, Window::square(5, 1, 0)))?;
    let x = net.relu(x)?;
    let x = net.max_pool(x, &Window::square(2, 2, 0))?;
    let x = net.flatten(x, 1)?;
    let x = net.dense_layer("dense1", x, 128)?;
    let x = net.relu(x)?;
    let x = net.dropout_layer("dropout", x, 0.3)?;
    net.dense_layer("dense2", x, 10)
}

/// Prints every hundredth step.
struct Lines(Instant);

impl Progress for Lines {
    fn step(&mut self, report: &StepReport) {
        if report.step.is_multiple_of(100) {
            let seconds = self.0.elapsed().as_secs_f64();
            print!("\rstep {:6}  loss {:.4}  {:.0} s ", report.step, report.loss, seconds);
            let _ = std::io::stdout().flush();
        }
    }

    fn evaluated(&mut self, point: &EvaluationPoint) {
        let accuracy = 100.0 * point.accuracy().unwrap_or(0.0);
        println!("\rstep {:6}  test loss {:.4}  test accuracy {accuracy:.2} %", point.step, point.loss);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give the folder with the idx files")?;
    let backend = arguments.next().unwrap_or_else(|| "tract".to_owned());
    let epochs = arguments.next().map_or(Ok(3), |n| n.parse())?;
    let backend = ocellus_backend::open(&backend, 2)?;
    let train = Arc::new(IdxDataset::open(Path::new(&folder), IdxPart::Train, &[])?);
    let test = Arc::new(IdxDataset::open(Path::new(&folder), IdxPart::Test, &[])?);
    let schedule = Schedule::OneCycle { peak: 2e-3, rise: 0.25 };
    let optimizer = Arc::new(Adam::default());
    let config = TrainerConfig {
        epochs,
        ..TrainerConfig::new("lenet", optimizer, schedule, Normalization::uniform(1, 0.286, 0.353))
    };
    let objective = Classification::CrossEntropy { smoothing: 0.0 };
    let mut trainer = Trainer::new(backend.as_ref(), &lenet, &objective, train, Some(test), config)?;
    let outcome = trainer.run(&mut Lines(Instant::now()), &AtomicBool::new(false))?;
    outcome.model.save("lenet.onnx")?;
    ocellus_trainer::curve::write_learning_curve(Path::new("lenet.svg"), &outcome.history, "lenet")?;
    println!("wrote lenet.onnx and lenet.svg");
    Ok(())
}
