//! Weights of other tools in the zoo's networks.

use ocellus_graph::Model;
use ocellus_ops::OpError;
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::{NetworkBuilder, inference_model};
use ocellus_vision::metadata::{Decode, Preprocess};

use crate::{ZooModel, mobilenet_v2};

/// A network of the zoo whose layers have the names that other tools give them.
pub struct Import {
    /// The network.
    pub model: &'static ZooModel,
    /// The tensor with one element per class.
    pub classes_of: &'static str,
    /// How the pictures were prepared that the weights were trained on.
    pub preprocess: fn() -> Preprocess,
}

/// Every network that weights can be imported into.
pub const IMPORTS: &[Import] = &[mobilenet_v2::IMPORT];

/// Weights that do not fit a network.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A tensor is missing or has other sizes.
    #[error(transparent)]
    Tensor(#[from] OpError),
    /// The tensor that tells the number of classes is not there.
    #[error("the weights hold no {0:?}, so they are of another network")]
    Classes(&'static str),
    /// Another number of names than of classes.
    #[error("{names} names are given for {classes} classes")]
    Names {
        /// Names given.
        names: usize,
        /// Classes of the weights.
        classes: usize,
    },
}

/// What has come of it.
pub struct Imported {
    /// The inference graph of one picture, with its metadata.
    pub model: Model,
    /// Tensors of the file that the network does not use.
    pub unused: Vec<String>,
}

impl Import {
    /// The network of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        IMPORTS.iter().find(|i| i.model.name == name)
    }

    /// Puts weights, named as PyTorch names them, into the network; `names` are those of the classes, numbers without
    /// them.
    ///
    /// # Errors
    /// Tensors that are missing or have other sizes, or another number of names.
    pub fn build(&self, store: &Store, names: Option<Vec<String>>) -> Result<Imported, ImportError> {
        let store = ocellus_trainer::weights::renamed(store.clone());
        let classes = store.get(self.classes_of).ok_or(ImportError::Classes(self.classes_of))?.len();
        let names = names.unwrap_or_else(|| (0..classes).map(|c| c.to_string()).collect());
        if names.len() != classes {
            return Err(ImportError::Names { names: names.len(), classes });
        }
        let preprocess = (self.preprocess)();
        let shape = [1, preprocess.channels, preprocess.height, preprocess.width];
        let network = (self.model.network)(classes);
        let mut model = inference_model(network.as_ref(), self.model.name, &store, &shape)?;
        preprocess.describe(&mut model.metadata);
        Decode::Classify { classes: names }.describe(&mut model.metadata);
        // Every tensor that the network asks for becomes a constant of its name.
        let mut net = NetworkBuilder::inference(self.model.name, &store);
        let x = net.input("input", ocellus_graph::DataType::F32, &shape);
        network.build(&mut net, x)?;
        let unused = store.keys().filter(|name| net.graph().find(name).is_none()).cloned().collect();
        Ok(Imported { model, unused })
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Tensor};

    use super::*;

    /// Tensors of every name and size that the network asks for, as PyTorch names them.
    fn weights(classes: usize) -> Store {
        let mut net = NetworkBuilder::training("net");
        let x = net.input("input", DataType::F32, &[2, 3, 32, 32]);
        (mobilenet_v2::MODEL.network)(classes).build(&mut net, x).unwrap();
        let graph = net.graph();
        let known = graph.inputs.iter().skip(1).map(|&v| graph.value(v)).filter(|v| v.name.contains('.'));
        let mut store = Store::new();
        for value in known {
            let (layer, last) = value.name.rsplit_once('.').unwrap();
            let last = match last {
                "scale" => "weight",
                "shift" => "bias",
                "mean" => "running_mean",
                "variance" => "running_var",
                other => other,
            };
            let shape = value.shape.as_ref().and_then(|s| s.known()).unwrap();
            store.insert(format!("{layer}.{last}"), Tensor::full(DataType::F32, &shape, 0.01));
        }
        store
    }

    #[test]
    fn names_classes_and_metadata() {
        let mut store = weights(3);
        store.insert("extra".to_owned(), Tensor::vector(&[0f32]));
        let import = Import::find("mobilenet_v2").unwrap();
        let made = import.build(&store, None).unwrap();
        assert!(made.unused.contains(&"extra".to_owned()), "{:?}", made.unused);
        assert_eq!(Decode::of(&made.model.metadata).unwrap().unwrap().classes(), ["0", "1", "2"]);
        assert!(matches!(import.build(&store, Some(vec![])), Err(ImportError::Names { names: 0, classes: 3 })));
        store.remove("features.3.conv.0.0.weight");
        let error = import.build(&store, None).err().unwrap().to_string();
        assert!(error.contains("features.3.conv.0.0.weight"), "{error}");
        assert!(matches!(import.build(&Store::new(), None), Err(ImportError::Classes(_))));
    }
}
