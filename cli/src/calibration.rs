//! Where calibration data come from: a data set, a folder, or an .npz file. One run's inputs are in memory at a time.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use ocellus_graph::{Model, Shape, Tensor};
use ocellus_quantizer::Batch;
use ocellus_trainer::data::{Dataset, Loader, LoaderConfig, Normalization, Scenes};
use ocellus_vision::metadata::Preprocess;
use zip::ZipArchive;

use crate::npy;
use crate::preprocess::input_of;

/// One run's inputs after another.
pub type Batches = Box<dyn Iterator<Item = Result<Batch>>>;

/// The inputs of a model: name and sizes.
pub type Inputs = Vec<(String, Vec<usize>)>;

/// The inputs of a model whose sizes are known.
///
/// # Errors
/// An input of unknown size.
pub fn inputs_of(model: &Model) -> Result<Inputs> {
    let input = |v: &ocellus_graph::ValueId| {
        let value = model.graph.value(*v);
        let shape = value.shape.as_ref().and_then(Shape::known);
        Ok((value.name.clone(), shape.with_context(|| format!("the sizes of input {:?} are not known", value.name))?))
    };
    model.graph.inputs.iter().map(input).collect()
}

/// Pictures of a set, in its order, as many at once as the model takes.
///
/// # Errors
/// A model that does not take one picture of this size.
pub fn from_dataset(set: Arc<dyn Dataset>, normalization: &Normalization, inputs: &Inputs) -> Result<Batches> {
    let [height, width, channels] = set.shape();
    let (name, shape) = match inputs.as_slice() {
        [one] => one.clone(),
        many => bail!("the model has {} inputs; pictures are for models with one", many.len()),
    };
    ensure!(
        shape.len() == 4 && shape[1..] == [channels, height, width],
        "input {name:?} is {shape:?}; the pictures are [N, {channels}, {height}, {width}]"
    );
    let config = LoaderConfig {
        batch: shape[0],
        training: false,
        seed: 0,
        workers: 1,
        augmentations: Vec::new(),
        normalization: normalization.clone(),
    };
    let whole = set.len() / shape[0];
    ensure!(whole > 0, "the model takes {} pictures at once, the set has {}", shape[0], set.len());
    let loader = Loader::new(set, config)?;
    // The last batch may be filled up with zeros, which are no data.
    let batches = loader.epoch(0, 0).take(whole);
    Ok(Box::new(batches.map(move |batch| Ok(vec![(name.clone(), batch?.images)]))))
}

/// The first `limit` scenes, prepared as the model says.
///
/// # Errors
/// A model that does not take one picture of the sizes that it says.
pub fn from_scenes(set: Arc<dyn Scenes>, limit: usize, preprocess: &Preprocess, inputs: &Inputs) -> Result<Batches> {
    let wanted = [1, preprocess.channels, preprocess.height, preprocess.width];
    let (name, preprocess) = match inputs.as_slice() {
        [(name, shape)] if shape[..] == wanted => (name.clone(), preprocess.clone()),
        other => bail!("the model says that it takes one picture {wanted:?}; its inputs are {other:?}"),
    };
    ensure!(!set.is_empty(), "the set has no scene");
    let count = limit.min(set.len());
    let one = move |index| Ok(vec![(name.clone(), input_of(&preprocess, &set.get(index)?.picture)?.0)]);
    Ok(Box::new((0..count).map(one)))
}

/// An .npz file, or a folder of .npy or .npz files in the order of their names.
///
/// An array of a file is either one run's input, or many stacked along the first axis. A .npz file names its arrays like
/// the inputs; a .npy file is for a model with one input.
///
/// # Errors
/// No such file or folder, or nothing usable in it.
pub fn from_path(path: &Path, inputs: Inputs) -> Result<Batches> {
    let files = if path.is_dir() { arrays_in(path)? } else { vec![path.to_owned()] };
    ensure!(path.exists(), "{} is neither a file nor a folder nor a data set", path.display());
    let one_file = move |file: PathBuf| -> Batches {
        match batches_of(&file, &inputs).with_context(|| file.display().to_string()) {
            Ok(batches) => Box::new(batches.into_iter().map(Ok)),
            Err(e) => Box::new(std::iter::once(Err(e))),
        }
    };
    Ok(Box::new(files.into_iter().flat_map(one_file)))
}

fn arrays_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let usable = |p: &PathBuf| p.extension().is_some_and(|x| x == "npy" || x == "npz");
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(usable).collect();
    files.sort();
    ensure!(!files.is_empty(), "{} holds no .npy or .npz file", folder.display());
    Ok(files)
}

/// The runs in one file.
fn batches_of(file: &Path, inputs: &Inputs) -> Result<Vec<Batch>> {
    if file.extension().is_some_and(|x| x == "npy") {
        let [(name, shape)] = inputs.as_slice() else {
            bail!("the model has {} inputs: a .npz file that names them is needed", inputs.len());
        };
        let runs = unstack(&npy::read(file)?, shape).with_context(|| format!("for input {name:?}"))?;
        return Ok(runs.into_iter().map(|run| vec![(name.clone(), run)]).collect());
    }
    let mut archive = ZipArchive::new(BufReader::new(File::open(file)?)).context("it is no .npz file")?;
    let mut runs: Vec<Batch> = Vec::new();
    for (index, (name, shape)) in inputs.iter().enumerate() {
        let names: Vec<String> =
            (archive.file_names().flatten()).map(|n| n.trim_end_matches(".npy").to_owned()).collect();
        let mut bytes = Vec::new();
        let mut entry = archive
            .by_name(&format!("{name}.npy"))
            .with_context(|| format!("it has no array for input {name:?}; it has {}", names.join(", ")))?;
        entry.read_to_end(&mut bytes).with_context(|| format!("array {name:?} is damaged"))?;
        let array = npy::parse(&bytes).with_context(|| format!("array {name:?}"))?;
        let parts = unstack(&array, shape).with_context(|| format!("array {name:?}"))?;
        if index == 0 {
            runs = vec![Batch::new(); parts.len()];
        }
        ensure!(parts.len() == runs.len(), "array {name:?} holds {} runs, the first {}", parts.len(), runs.len());
        runs.iter_mut().zip(parts).for_each(|(run, part)| run.push((name.clone(), part)));
    }
    Ok(runs)
}

/// The runs in an array: itself, or its parts along the first axis (of the input's own first size, or of 1 more axis).
fn unstack(array: &Tensor, shape: &[usize]) -> Result<Vec<Tensor>> {
    if array.shape() == shape {
        return Ok(vec![array.clone()]);
    }
    let found = array.shape();
    let more = found.len() == shape.len() + 1 && found[1..] == *shape;
    let longer = found.len() == shape.len() && !shape.is_empty() && found[1..] == shape[1..];
    let each: usize = shape.iter().product();
    let fits = more || longer && shape[0] > 0 && found[0] >= shape[0];
    ensure!(fits && each > 0, "it is {found:?}; the input is {shape:?}, alone or stacked along the first axis");
    let bytes = array.to_le_bytes().context("it holds text")?;
    let size = each * array.dtype().size();
    let part = |bytes| Tensor::from_le_bytes(array.dtype(), shape, bytes).context("its elements cannot be read");
    bytes.chunks_exact(size).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_unstacked() {
        let array = Tensor::of(&[4, 2], (0..8).map(|v| v as f32).collect::<Vec<_>>());
        assert_eq!(unstack(&array, &[4, 2]).unwrap().len(), 1);
        let runs = unstack(&array, &[1, 2]).unwrap();
        assert_eq!((runs.len(), runs[3].clone()), (4, Tensor::of(&[1, 2], vec![6f32, 7.0])));
        assert_eq!(unstack(&array, &[3, 2]).unwrap().len(), 1, "an incomplete run is left out");
        assert_eq!(unstack(&array, &[2]).unwrap().len(), 4);
        assert!(unstack(&array, &[1, 3]).unwrap_err().to_string().contains("[1, 3]"));
        assert!(unstack(&array, &[5, 2]).is_err());
    }

    #[test]
    fn a_folder_of_arrays_is_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in [("b.npy", 2f32), ("a.npy", 1.0)] {
            npy::write(&folder.path().join(name), &Tensor::of(&[1, 1], vec![value])).unwrap();
        }
        let inputs = vec![("x".to_owned(), vec![1, 1])];
        let batches: Vec<Batch> = from_path(folder.path(), inputs.clone()).unwrap().map(Result::unwrap).collect();
        assert_eq!(batches[0], [("x".to_owned(), Tensor::of(&[1, 1], vec![1f32]))]);
        assert_eq!(batches.len(), 2);
        assert!(from_path(&folder.path().join("nothing"), inputs).is_err());
    }
}
