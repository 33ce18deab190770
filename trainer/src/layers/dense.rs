//! A dense layer with its parameters.

use ocellus_graph::ValueId;
use ocellus_ops::{Gemm, OpError};

use crate::NetworkBuilder;
use crate::initializers::{Initializer, dense_fans};

impl NetworkBuilder<'_> {
    /// `x W^T + b` of `x` `[N, inputs]` with parameters `NAME.weight` `[outputs, inputs]` (Glorot's uniform start) and
    /// `NAME.bias` `[outputs]` (0).
    ///
    /// # Errors
    /// An input that is not of rank 2; flatten it first.
    pub fn dense_layer(&mut self, name: &str, x: ValueId, outputs: usize) -> Result<ValueId, OpError> {
        self.dense_layer_started_by(name, x, outputs, Initializer::GlorotUniform)
    }

    /// As [`NetworkBuilder::dense_layer`], with another start of the weight.
    ///
    /// # Errors
    /// As there.
    pub fn dense_layer_started_by(
        &mut self,
        name: &str,
        x: ValueId,
        outputs: usize,
        initializer: Initializer,
    ) -> Result<ValueId, OpError> {
        let shape = self.shape(x)?;
        let [_, inputs] = shape[..] else {
            let problem = format!("dense layer {name:?} takes [samples, features], found {shape:?}; flatten it first");
            return Err(OpError::graph(&self.graph().name, problem));
        };
        let sizes = [outputs, inputs];
        let weight = self.parameter(&format!("{name}.weight"), &sizes, initializer, dense_fans(&sizes), true)?;
        let bias =
            self.parameter(&format!("{name}.bias"), &[outputs], Initializer::Zeros, dense_fans(&sizes), false)?;
        let weight = self.rounded_weights(weight)?;
        self.gemm(x, weight, Some(bias), &Gemm { trans_b: true, ..Gemm::default() })
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::Tensor;
    use ocellus_ops::check::numbers;

    use crate::layers::check;

    #[test]
    fn gradients() {
        check::gradients(&|net, x| net.dense_layer("dense", x, 3), &Tensor::of(&[4, 5], numbers(20, 1)));
    }

    #[test]
    fn pictures_have_to_be_flattened() {
        let mut net = crate::NetworkBuilder::training("net");
        let x = net.input("x", ocellus_graph::DataType::F32, &[1, 3, 4, 4]);
        assert!(net.dense_layer("dense", x, 3).unwrap_err().to_string().contains("flatten"));
    }
}
