//! Tensors in the model's order, as Transpose and Reshape leave them where nothing moves, give the reference answers whoever reads
//! them, and without a copy where the reader takes them as they lie.

mod agreement;

use agreement::{agree, one, random, steps, weights};
use ocellus_graph::{DataType, ValueId};
use ocellus_ops::{Builder, OpError, Window};

const IMAGE: [usize; 4] = [1, 8, 7, 5];
const LAST: [usize; 4] = [0, 2, 3, 1];
const FIRST: [usize; 4] = [0, 3, 1, 2];

/// `x * (1 + erf(x / √2)) * 0.5` as exporters write it.
fn gelu(b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
    let [root, one, half] =
        [std::f32::consts::SQRT_2, 1.0, 0.5].map(|v| b.constant("c", ocellus_graph::Tensor::scalar(v)));
    let scaled = b.div(x, root)?;
    let erf = b.erf(scaled)?;
    let sum = b.add(erf, one)?;
    let product = b.mul(x, sum)?;
    b.mul(product, half)
}

/// A block of ConvNeXt: depthwise convolution, then layers of channels that lie last.
fn block(b: &mut Builder, x: ValueId) -> Result<ValueId, OpError> {
    let w = weights(b, &[8, 1, 3, 3], 1);
    let y = b.conv(x, w, None, &Window::square(3, 1, 1).grouped(8))?;
    let y = b.transpose(y, &LAST)?;
    let (scale, bias) = (weights(b, &[8], 2), weights(b, &[8], 3));
    let y = b.layer_normalization(y, scale, Some(bias), -1, 1e-6)?;
    let w = weights(b, &[8, 24], 4);
    let y = b.matmul(y, w)?;
    let bias = weights(b, &[24], 5);
    let y = b.add(y, bias)?;
    let y = gelu(b, y)?;
    let w = weights(b, &[24, 8], 6);
    let y = b.matmul(y, w)?;
    let y = b.transpose(y, &FIRST)?;
    let scale = weights(b, &[8, 1, 1], 7);
    let y = b.mul(y, scale)?;
    b.add(x, y)
}

#[test]
fn a_block_with_channels_last_moves_nothing() {
    let mut b = Builder::new("convnext");
    let x = b.input("x", DataType::F32, &IMAGE);
    let y = block(&mut b, x).and_then(|y| block(&mut b, y)).unwrap();
    b.output(y, "y");
    let model = b.finish();
    agree(&model, &[("x", random(&IMAGE, 3))], 1e-5);
    let steps = steps(&model);
    // Bias, activation, scale and the sum around the block are parts of the two products.
    let layers: Vec<&str> = steps.iter().map(String::as_str).skip_while(|&step| step != "conv_f32").collect();
    let first = layers.iter().position(|&step| step == "depthwise_f32").expect("two blocks");
    assert_eq!(layers[..first], ["conv_f32", "unary", "conv_add_f32"], "{steps:?}");
    assert!(!steps.iter().any(|step| step == "copy"), "{steps:?}");
}

#[test]
fn whoever_reads_a_renamed_tensor_has_the_right_elements() {
    type Build = fn(&mut Builder, ValueId) -> Result<ValueId, OpError>;
    let readers: [Build; 14] = [
        |b, x| b.max_pool(x, &Window::square(2, 1, 0)),
        |b, x| {
            let w = weights(b, &[3, 7, 3, 3], 1);
            b.conv(x, w, None, &Window::square(3, 1, 1))
        },
        |b, x| b.softmax(x, 1),
        |b, x| b.softmax(x, -1),
        |b, x| b.concat(&[x, x], 2),
        |b, x| Ok(b.split(x, &[1, 6], 1)?[1]),
        |b, x| b.slice(x, &[1, 1], &[3, 5], &[1, 3], &[1, 2]),
        |b, x| b.pad(x, &[0, 1, 1, 2, 0, 0, 0, 1], "constant", 0.5),
        |b, x| b.reduce_mean(x, &[1, 3], true),
        |b, x| b.reduce_sum(x, &[2], false),
        |b, x| b.reshape(x, &[5, 7, 8]),
        |b, x| b.expand(x, &[3, 7, 5, 8]),
        |b, x| b.transpose(x, &[3, 0, 2, 1]),
        |b, x| {
            let y = b.sigmoid(x)?;
            let moved = b.reshape(y, &[1, 7, 40, 1])?;
            let moved = b.reshape(moved, &[1, 7, 5, 8])?;
            b.sub(x, moved)
        },
    ];
    for reader in readers {
        one(&IMAGE, |b, x| {
            let x = b.transpose(x, &LAST)?;
            reader(b, x)
        });
    }
}

#[test]
fn orders_meet_in_one() {
    // The same shape in both orders, from an input and from a product, on either side and with what broadcasts.
    let shape = [1, 6, 6, 6];
    for (flip, function) in [(false, "Add"), (true, "Sub"), (false, "Mul"), (true, "Greater")] {
        one(&shape, |b, x| {
            let turned = b.transpose(x, &LAST)?;
            let operands = if flip { [turned, x] } else { [x, turned] };
            let y = match function {
                "Add" => b.add(operands[0], operands[1])?,
                "Sub" => b.sub(operands[0], operands[1])?,
                "Mul" => b.mul(operands[0], operands[1])?,
                _ => {
                    let greater = b.greater(operands[0], operands[1])?;
                    b.cast(greater, DataType::F32)?
                }
            };
            let row = weights(b, &[6, 1], 5);
            let y = b.mul(y, row)?;
            b.add(y, turned)
        });
    }
}

#[test]
fn an_output_may_lie_in_the_models_order() {
    let mut b = Builder::new("outputs");
    let x = b.input("x", DataType::F32, &IMAGE);
    let build = |b: &mut Builder| -> Result<[ValueId; 3], OpError> {
        let y = b.sigmoid(x)?;
        let last = b.transpose(y, &LAST)?;
        Ok([y, last, b.max_pool(last, &Window::square(2, 1, 0))?])
    };
    let outputs = build(&mut b).unwrap();
    outputs.into_iter().zip(["y", "last", "pooled"]).for_each(|(y, name)| b.output(y, name));
    agree(&b.finish(), &[("x", random(&IMAGE, 3))], 1e-5);
}
