//! What a calibration has found, kept with the float model: the 8-bit model can be made again without any data.

use std::collections::{BTreeMap, HashMap, HashSet};

use ocellus_graph::{Model, Tensor, ValueId};
use serde::{Deserialize, Serialize};

use crate::params::{Activations, Params};
use crate::{Options, QuantizeError, check_names, equalize, insert, prepared, refused, scales, select};

/// Everything that an 8-bit model is made with, beside the float model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// The layout of activations.
    pub activations: Activations,
    /// Nodes that stay float.
    pub exclude: Vec<String>,
    /// Scale and zero point of every value that was observed, by name.
    pub scales: BTreeMap<String, (f32, i32)>,
    /// Whether the ranges of channels were shared between neighbouring layers first.
    #[serde(default)]
    pub equalize: bool,
    /// Biases that were corrected, by name.
    #[serde(default)]
    pub biases: BTreeMap<String, Vec<f32>>,
}

impl Recipe {
    /// The metadata key that it is kept under, as JSON.
    pub const KEY: &str = "ocellus.quantize";

    pub(crate) fn new(
        model: &Model,
        options: &Options,
        found: &HashMap<ValueId, Params>,
        biases: &HashMap<ValueId, Tensor>,
    ) -> Self {
        let name = |v: &ValueId| model.graph.value(*v).name.clone();
        let scales = found.iter().map(|(v, p)| (name(v), (p.scale, p.zero_point))).collect();
        let biases = biases.iter().map(|(v, tensor)| (name(v), tensor.to_f32())).collect();
        Self {
            activations: options.activations,
            exclude: options.exclude.clone(),
            scales,
            equalize: options.equalize,
            biases,
        }
    }

    /// The recipe that a model carries; `None` where it carries none.
    ///
    /// # Errors
    /// Metadata that is no recipe.
    pub fn of(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, serde_json::Error> {
        metadata.get(Self::KEY).map(|text| serde_json::from_str(text)).transpose()
    }

    /// Writes it into a model's metadata.
    pub fn describe(&self, metadata: &mut BTreeMap<String, String>) {
        let text = serde_json::to_string(self).unwrap_or_default();
        metadata.insert(Self::KEY.to_owned(), text);
    }
}

/// Quantizes a float model as it was quantized before: the same numbers in, the same integer model out, bit for bit.
///
/// # Errors
/// As [`quantize`](crate::quantize()), or a recipe of another model.
pub fn requantize(model: &Model, recipe: &Recipe) -> Result<Model, QuantizeError> {
    let mut float = prepared(model)?;
    float.metadata.remove(Recipe::KEY);
    if recipe.equalize {
        equalize::equalize(&mut float);
    }
    let exclude: HashSet<&str> = recipe.exclude.iter().map(String::as_str).collect();
    check_names(&float, &exclude)?;
    let treatments = select::select(&float.graph, &exclude);
    let sources = scales::Sources::new(&float.graph, &treatments);
    let mut found = HashMap::new();
    for value in sources.observed() {
        let name = &float.graph.value(value).name;
        let Some(&(scale, zero_point)) = recipe.scales.get(name).filter(|s| s.0.is_normal() && s.0 > 0.0) else {
            return Err(refused(&float, format!("the recipe has no scale for {name:?}: it is of another model")));
        };
        found.insert(value, Params { scale, zero_point, activations: recipe.activations });
    }
    for (id, tensor) in &mut float.graph.initializers {
        let Some(bias) = recipe.biases.get(&float.graph.values[id.index()].name) else { continue };
        if bias.len() != tensor.len() {
            return Err(QuantizeError::Model {
                model: float.graph.name.clone(),
                problem: "the recipe has biases of other sizes: it is of another model".to_owned(),
            });
        }
        *tensor = Tensor::of(tensor.shape(), bias.clone());
    }
    let params = sources.params(recipe.activations, &found);
    let inserted = insert::insert(&float.graph, &treatments, &params)?;
    Ok(Model { graph: inserted.graph, producer: "ocellus".to_owned(), ..float })
}
