//! The whole chain on the pictures that ship: train, quantize, compile, run, and a folder with everything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use ocellus_compiler::{Compiled, Options, compile, prepare};
use ocellus_graph::Model;
use ocellus_graph::onnx::write_atomic;
use ocellus_models::{lenet5, samples};
use ocellus_quantizer::Options as QuantizeOptions;
use ocellus_runtime::{Isa, Pool, with_session};
use ocellus_trainer::curve::write_learning_curve;
use ocellus_trainer::data::{Dataset, IdxPart, Normalization};
use ocellus_trainer::{Classification, History, Trainer, TrainerConfig};
use ocellus_vision::metadata::Decode;
use serde_json::json;

use crate::calibration;
use crate::output::{Ending, Output};
use crate::picture::{Tile, sheet, write_png};
use crate::plan_accuracy::{PlanAnswers, evaluate_plan};
use crate::progress::Bar;
use crate::verbs::bench::Times;
use crate::verbs::compile::report_json;
use crate::verbs::eval::model_accuracy;
use crate::verbs::quantize::quantize_over;
use crate::verbs::train::{Engine, described, head, stop_flag};
use crate::{preprocess, seen};

/// Pictures that calibrate the quantizer.
const CALIBRATION: usize = 256;
/// Pictures in the picture of answers.
const SHOWN: usize = 24;

/// `ocellus demo`
#[derive(Args)]
pub struct Demo {
    /// The folder for what is made.
    #[arg(short, long, value_name = "DIR", default_value = "ocellus-demo")]
    output_dir: PathBuf,
    /// Training steps.
    #[arg(long, default_value_t = 250)]
    steps: u64,
    #[command(flatten)]
    engine: Engine,
}

/// The data with their form.
struct Data {
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    normalization: Normalization,
}

impl Demo {
    /// Runs the chain.
    ///
    /// # Errors
    /// A link that fails, or a folder that cannot be written.
    pub fn run(&self, output: &Output) -> Result<Ending> {
        let folder = &self.output_dir;
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let backend = self.engine.open()?;
        let normalization = (lenet5::MODEL.recipe)(1).normalization;
        let data = Data {
            train: Arc::new(samples::fashion_mnist(IdxPart::Train)?),
            test: Arc::new(samples::fashion_mnist(IdxPart::Test)?),
            normalization,
        };
        let (float, history, seconds) = self.train(backend.as_ref(), &data, output)?;
        float.save(folder.join("float.onnx"))?;
        write_learning_curve(&folder.join("curve.svg"), &history, "lenet5 on 3,000 pictures of clothes")?;

        output.note("quantizing to 8 bits");
        let calibration = head(Arc::clone(&data.train), Some(CALIBRATION));
        let batches = calibration::from_dataset(calibration, &data.normalization, &calibration::inputs_of(&float)?)?;
        let (int8, _) = quantize_over(&float, &QuantizeOptions::default(), backend.as_ref(), batches)?;
        int8.save(folder.join("int8.onnx"))?;

        output.note("compiling, and running the plan in the device's runtime");
        let isa = Isa::best();
        let compiled = compile(&prepare(int8.clone(), &[])?, &Options { level: isa.level(), ..Options::default() })?;
        let plan_path = folder.join("model.plan");
        write_atomic(&plan_path, &compiled.bytes)
            .with_context(|| format!("{} cannot be written", plan_path.display()))?;
        let answers = evaluate_plan(&compiled.bytes, isa, &data.test, &data.normalization, |_| {})?;
        let pool = Pool::new(1)?;
        let times = with_session(&compiled.bytes, isa, |s| Times::of(s, &pool, Duration::from_millis(500)))?;
        write_png(&folder.join("answers.png"), &picture(&data, &answers)?)?;
        output.note("detecting, segmenting and captioning the scenes that ship");
        write_png(&folder.join("seen.png"), &seen::sheet(output)?)?;

        let of = |model| model_accuracy(backend.as_ref(), model, &data.test, &data.normalization);
        let accuracy = [of(&float)?.accuracy(), of(&int8)?.accuracy(), answers.metrics.accuracy()];
        let mut value = report_json(&compiled.report);
        value["accuracy"] = json!({ "float": accuracy[0], "int8": accuracy[1], "plan": accuracy[2] });
        value["train_seconds"] = json!(seconds);
        value["latency_ms"] = json!(times.quantile(0.5));
        value["folder"] = json!(folder);
        output.answer(table(&compiled, accuracy, &times, isa, folder), &value);
        Ok(Ending::Fine)
    }

    fn train(
        &self,
        backend: &dyn ocellus_backend::Backend,
        data: &Data,
        output: &Output,
    ) -> Result<(Model, History, f64)> {
        output.note(format!(
            "training lenet5 on {} pictures of clothes ({})",
            data.train.len(),
            "Fashion-MNIST, a sample that ships with the project"
        ));
        let config = TrainerConfig { epochs: u64::MAX >> 32, max_steps: Some(self.steps), ..(lenet5::MODEL.recipe)(1) };
        let network = (lenet5::MODEL.network)(data.train.classes().len());
        let objective = Classification::CrossEntropy { smoothing: 0.0 };
        let preprocess = described(data.train.shape(), &config);
        let (train, test) = (Arc::clone(&data.train), Some(Arc::clone(&data.test)));
        let mut trainer = Trainer::new(backend, network.as_ref(), &objective, train, test, config)?;
        let (start, mut bar) = (Instant::now(), Bar::new());
        let outcome = trainer.run(&mut bar, stop_flag()?);
        bar.finish();
        let mut outcome = outcome?;
        let seconds = start.elapsed().as_secs_f64();
        output.note(format!("{} steps in {seconds:.0} s", outcome.steps));
        let classes = data.train.classes().to_vec();
        preprocess::describe(&mut outcome.model, &preprocess, &Decode::Classify { classes });
        Ok((outcome.model, outcome.history, seconds))
    }
}

/// Some test pictures with the plan's answers: wrong ones first, as far as they fill a third.
fn picture(data: &Data, found: &PlanAnswers) -> Result<image::RgbImage> {
    let classes = data.test.classes();
    let mut tiles = Vec::new();
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for (index, &answer) in found.answers.iter().enumerate() {
        let truth = data.test.get(index)?.label;
        if answer == truth { right.push(index) } else { wrong.push(index) }
    }
    wrong.truncate(SHOWN / 3);
    right.truncate(SHOWN - wrong.len());
    let mut shown: Vec<usize> = right.into_iter().chain(wrong).collect();
    shown.sort_unstable();
    for index in shown {
        let sample = data.test.get(index)?;
        let (answer, truth) = (classes[found.answers[index]].clone(), classes[sample.label].clone());
        tiles.push(Tile { picture: sample.picture, answer, truth });
    }
    Ok(sheet(&tiles, 8))
}

fn table(compiled: &Compiled, accuracy: [f64; 3], times: &Times, isa: Isa, folder: &Path) -> String {
    let report = &compiled.report;
    let mut rows = vec![
        ("accuracy, float ONNX".to_owned(), format!("{:.2} %", 100.0 * accuracy[0])),
        ("accuracy, int8 ONNX".to_owned(), format!("{:.2} %", 100.0 * accuracy[1])),
        ("accuracy, plan".to_owned(), format!("{:.2} %", 100.0 * accuracy[2])),
        ("arena".to_owned(), format!("{} bytes", report.arena_bytes)),
        ("weights".to_owned(), format!("{} bytes", report.weights_bytes)),
        ("latency".to_owned(), format!("{:.3} ms ({}, 1 thread)", times.quantile(0.5), isa.level().name())),
    ];
    let peak = report.peak().into_iter();
    rows.extend(peak.map(|s| ("memory peak".to_owned(), format!("{} ({} bytes alive)", s.name, s.live_bytes))));
    let width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
    let mut text: String = rows.iter().map(|(k, v)| format!("\n{k:width$}  {v}")).collect();
    let f = folder.display();
    text += &format!(
        "\n\n{f}/ holds float.onnx, int8.onnx, model.plan, curve.svg (the learning curve) and answers.png (pictures with\n\
         the plan's answers). These accuracies are on 1,000 pictures after training on 3,000; the complete set gives more.\n\n\
         How to go on:\n  \
         ocellus inspect {f}/model.plan                        what is in the plan\n  \
         ocellus verify {f}/int8.onnx                          every layer against the reference\n  \
         ocellus run {f}/model.plan --image PICTURE.png         your own picture (white on black, as in answers.png)\n  \
         ocellus compile {f}/int8.onnx -o m.plan --target portable --max-ram 64k --rust m.rs      another target\n  \
         ocellus fetch fashion-mnist && ocellus train lenet5 --data fashion-mnist     the complete set\n\
         (ocellus is target/release/ocellus, or `cargo install --path cli`)"
    );
    text
}
