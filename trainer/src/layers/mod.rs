//! Layers: methods of [`NetworkBuilder`](crate::NetworkBuilder) that make their own parameters.

mod batch_norm;
mod conv;
mod conv_transpose;
mod dense;
mod dropout;
mod fake_quantization;
mod fractional_max_pool;
mod lp_pool;
mod stochastic_pool;

pub use conv::ConvLayer;

#[cfg(test)]
pub(crate) mod check {
    //! Gradients of layers against central differences in f64.

    use ocellus_graph::{DataType, Tensor, ValueId};
    use ocellus_ops::{OpError, check::numbers, evaluate_values};

    use crate::NetworkBuilder;
    use crate::autograd::gradients_from;
    use crate::random::Random;

    /// A layer as a function of the builder and its input.
    pub type Layer<'a> = dyn Fn(&mut NetworkBuilder, ValueId) -> Result<ValueId, OpError> + 'a;

    /// The value of a layer in training, on the inputs of step `step`.
    pub fn forward(layer: &Layer, x: &Tensor, step: u64) -> Tensor {
        let mut net = NetworkBuilder::training("layer").with_dtype(x.dtype());
        let input = net.input("x", x.dtype(), x.shape());
        let y = layer(&mut net, input).unwrap();
        let given = given(&net, x, step);
        run(&net, &given, y)
    }

    fn given(net: &NetworkBuilder, x: &Tensor, step: u64) -> Vec<(String, Tensor)> {
        let mut given = vec![("x".to_owned(), x.clone())];
        for p in &net.parameters {
            let values = numbers(p.shape.iter().product(), 5);
            given.push((p.name.clone(), Tensor::from_f64(x.dtype(), &p.shape, &values)));
        }
        given.extend(net.states.iter().map(|s| (s.name.clone(), s.initial.cast(x.dtype()))));
        given.extend(net.randoms.iter().map(|r| (r.name.clone(), (r.draw)(&mut Random::new(3, &r.stream, step)))));
        given
    }

    fn run(net: &NetworkBuilder, given: &[(String, Tensor)], wanted: ValueId) -> Tensor {
        let given: Vec<_> = given.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
        evaluate_values(net.graph(), &given).unwrap()[&wanted].clone()
    }

    /// Holds the gradients of the input and of every parameter against differences.
    pub fn gradients(layer: &Layer, x: &Tensor) {
        let mut net = NetworkBuilder::training("layer").with_dtype(DataType::F64);
        let input = net.input("x", DataType::F64, x.shape());
        let y = layer(&mut net, input).unwrap();
        let given = given(&net, x, 1);
        let shape = net.shape(y).unwrap();
        let weights = numbers(shape.iter().product(), 99);
        let cotangent = net.constant("cotangent", Tensor::of(&shape, weights.clone()));
        let mut wrt = vec![(0, input)];
        wrt.extend(net.parameters.iter().enumerate().map(|(i, p)| (i + 1, p.value)));
        let ids: Vec<_> = wrt.iter().map(|w| w.1).collect();
        let table = net.gradients.clone();
        let grads = gradients_from(&mut net, &[(y, cotangent)], &ids, &table).unwrap();
        let loss = |given: &[(String, Tensor)]| -> f64 {
            run(&net, given, y).to_f64().iter().zip(&weights).map(|(a, w)| a * w).sum()
        };
        for ((place, _), grad) in wrt.iter().zip(grads) {
            let found = run(&net, &given, grad.expect("a gradient")).to_f64();
            assert_eq!(found.len(), given[*place].1.len());
            for (k, &found) in found.iter().enumerate() {
                let nudged = |by: f64| {
                    let mut moved = given.clone();
                    moved[*place].1.view_mut::<f64>().unwrap()[k] += by;
                    loss(&moved)
                };
                let expected = (nudged(1e-5) - nudged(-1e-5)) / 2e-5;
                let name = &given[*place].0;
                let bound = 2e-6 * (1.0 + expected.abs());
                assert!((found - expected).abs() < bound, "{name}[{k}]: rule {found}, differences {expected}");
            }
        }
    }
}
