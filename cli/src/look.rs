//! A picture through a model, in the runtime of the device.

use std::path::Path;

use anyhow::{Context, Result};
use ocellus_trainer::data::Picture;
use ocellus_vision::Placement;
use ocellus_vision::metadata::{Decode, Preprocess};

use crate::arguments::CompileArgs;
use crate::memory::with_plan;
use crate::model_file::open_plan;
use crate::output::Output;
use crate::scene_accuracy::Outputs;
use crate::{preprocess, tensors};

/// What came of it.
pub struct Seen {
    /// The picture.
    pub picture: Picture,
    /// How the model wants its pictures.
    pub preprocess: Preprocess,
    /// What its outputs mean.
    pub decode: Decode,
    /// Where the picture lay in the input.
    pub placement: Placement,
    /// The outputs.
    pub outputs: Outputs,
}

/// Compiles an ONNX file or takes a plan, prepares the picture as the model says, and runs it.
///
/// # Errors
/// A picture or model that cannot be used, or a model that does not say what it takes and answers.
pub fn look(model: &Path, picture: &Path, compile: &CompileArgs, output: &Output) -> Result<Seen> {
    look_at(model, Picture::open(picture)?, compile, output)
}

/// As [`look`], at a picture in memory.
///
/// # Errors
/// As there.
pub fn look_at(model: &Path, picture: Picture, compile: &CompileArgs, output: &Output) -> Result<Seen> {
    let bytes = open_plan(model, compile, output)?;
    let plan = bytes.plan()?;
    let metadata = preprocess::plan_metadata(&plan);
    let preprocess = preprocess::preprocess(&metadata)?;
    let decode = Decode::of(&metadata)?
        .with_context(|| format!("the model does not say what it answers (metadata {:?})", Decode::KEY))?;
    let (input, placement) = preprocess::input_of(&preprocess, &picture)?;
    let outputs = with_plan(plan, compile.target, |session| {
        let port = session.plan().inputs().next().context("the model has no input")?;
        tensors::set_input(session, 0, &port, &input)?;
        session.run();
        tensors::outputs(session)
    })??;
    Ok(Seen { picture, preprocess, decode, placement, outputs })
}
