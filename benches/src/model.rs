//! Models of layers and of the zoo, with random weights.

use ocellus_graph::{DataType, Model, Tensor, ValueId};
use ocellus_models::ZooModel;
use ocellus_ops::check::numbers;
use ocellus_ops::{Builder, OpError, Window};
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::{NetworkBuilder, inference_model};

use crate::Shape;

fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::of(shape, numbers(shape.iter().product(), seed).into_iter().map(|v| v as f32).collect::<Vec<f32>>())
}

/// A picture for a model's input.
pub fn input_of(shape: &[usize]) -> Tensor {
    random(shape, 1)
}

/// A convolution with a clamp, in f32 or in int8 between two quantizations.
///
/// # Errors
/// A shape that is no convolution.
pub fn conv_model(shape: &Shape, int8: bool) -> Result<Model, OpError> {
    let mut b = Builder::new(&shape.name);
    let x = b.input("input", DataType::F32, &[1, shape.inputs, shape.height, shape.width]);
    let sizes = [shape.outputs, shape.inputs / shape.groups, shape.kernel, shape.kernel];
    let [kernel, stride, padding, groups] = [shape.kernel, shape.stride, shape.padding, shape.groups].map(|n| n as i64);
    let window = Window::square(kernel, stride, padding).grouped(groups);
    let y = if int8 {
        let x = requantized(&mut b, x, 1.0 / 128.0)?;
        let values: Vec<i8> = random(&sizes, 2).to_f32().iter().map(|v| (v * 127.0) as i8).collect();
        let w = b.constant("w", Tensor::of(&sizes, values));
        let scales = b.constant("scales", Tensor::of(&[shape.outputs], vec![0.01f32; shape.outputs]));
        let zeros = b.constant("zeros", Tensor::of(&[shape.outputs], vec![0i8; shape.outputs]));
        let w = b.dequantize_linear(w, scales, Some(zeros), Some(0))?;
        let y = b.conv(x, w, None, &window)?;
        let y = b.relu(y)?;
        requantized(&mut b, y, 0.05)?
    } else {
        let w = b.constant("w", random(&sizes, 2));
        let y = b.conv(x, w, None, &window)?;
        b.relu(y)?
    };
    b.output(y, "output");
    Ok(b.finish())
}

fn requantized(b: &mut Builder, x: ValueId, scale: f32) -> Result<ValueId, OpError> {
    let (s, z) = (b.constant("scale", Tensor::scalar(scale)), b.constant("zero", Tensor::scalar(128u8)));
    let q = b.quantize_linear(x, s, z, None)?;
    b.dequantize_linear(q, s, Some(z), None)
}

/// A network of the zoo on one picture of these sizes, its parameters random and positive.
///
/// # Errors
/// A picture that the network does not take.
pub fn zoo_model(model: &ZooModel, picture: &[usize]) -> Result<Model, OpError> {
    let network = (model.network)(10);
    let mut net = NetworkBuilder::training(model.name);
    let x = net.input("input", DataType::F32, picture);
    network.build(&mut net, x)?;
    let graph = net.graph();
    let held = graph.inputs.iter().filter(|&&v| v != x).filter_map(|&v| {
        let value = graph.value(v);
        let shape = value.shape.as_ref()?.known()?;
        let values = numbers(shape.iter().product(), 3).into_iter().map(|v| 0.05 + 0.1 * v.abs()).collect::<Vec<_>>();
        Some((value.name.clone(), Tensor::from_f64(DataType::F32, &shape, &values)))
    });
    let store: Store = held.collect();
    inference_model(network.as_ref(), model.name, &store, picture)
}
