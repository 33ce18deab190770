//! Graph to plan to answers: the compiled plan against the reference interpreter.

mod agreement;

use agreement::{agree, one, random, steps, weights};
use ocellus_compiler::{Options, compile, prepare};
use ocellus_graph::{DataType, ValueId};
use ocellus_ops::{Builder, Gemm, OpError, Window};

fn lenet(b: &mut Builder) -> Result<ValueId, OpError> {
    let x = b.input("x", DataType::F32, &[2, 1, 12, 12]);
    let (w, bias) = (weights(b, &[6, 1, 5, 5], 1), weights(b, &[6], 2));
    let y = b.conv(x, w, Some(bias), &Window::square(5, 1, 2))?;
    let y = b.relu(y)?;
    let y = b.max_pool(y, &Window::square(2, 2, 0))?;
    let w = weights(b, &[8, 6, 3, 3], 3);
    let y = b.conv(y, w, None, &Window::square(3, 1, 1))?;
    let y = b.clip(y, Some(0.0), Some(6.0))?;
    let y = b.average_pool(y, &Window::square(2, 2, 0), false)?;
    let y = b.flatten(y, 1)?;
    let (w, bias) = (weights(b, &[10, 72], 4), weights(b, &[10], 5));
    let y = b.gemm(y, w, Some(bias), &Gemm { trans_b: true, ..Gemm::default() })?;
    b.softmax(y, -1)
}

#[test]
fn a_float_lenet_gives_the_reference_answers() {
    let mut b = Builder::new("lenet");
    let y = lenet(&mut b).unwrap();
    b.output(y, "scores");
    agree(&b.finish(), &[("x", random(&[2, 1, 12, 12], 9))], 1e-5);
}

#[test]
fn residual_blocks_and_movement_give_the_reference_answers() {
    let mut b = Builder::new("block");
    let x = b.input("x", DataType::F32, &[1, 4, 7, 5]);
    let build = |b: &mut Builder| -> Result<ValueId, OpError> {
        let w = weights(b, &[4, 1, 3, 3], 1);
        let y = b.conv(x, w, None, &Window::square(3, 1, 1).grouped(4))?;
        let y = b.add(y, x)?;
        let y = b.relu(y)?;
        let z = b.transpose(y, &[0, 1, 3, 2])?;
        let z = b.transpose(z, &[0, 1, 3, 2])?;
        let y = b.concat(&[y, z], 1)?;
        let parts = b.split(y, &[3, 5], 1)?;
        let y = b.slice(parts[1], &[6], &[-100], &[2], &[-2])?;
        let y = b.pad(y, &[0, 0, 1, 2, 0, 0, 0, 1], "constant", 0.5)?;
        let y = b.sigmoid(y)?;
        b.reduce_mean(y, &[2, 3], true)
    };
    let y = build(&mut b).unwrap();
    b.output(y, "y");
    agree(&b.finish(), &[("x", random(&[1, 4, 7, 5], 3))], 1e-5);
}

#[test]
fn a_product_with_the_own_sigmoid_is_one_step() {
    for (alpha, beta, shared) in [(0.0, 0.0, false), (1.0 / 6.0, 0.5, false), (0.2, 0.5, false), (0.0, 0.0, true)] {
        let mut b = Builder::new("gated");
        let x = b.input("x", DataType::F32, &[2, 5, 9, 7]);
        let build = |b: &mut Builder| -> Result<[ValueId; 2], OpError> {
            let w = weights(b, &[19, 5, 3, 3], 1);
            let y = b.conv(x, w, None, &Window::square(3, 2, 1))?;
            let gate = if alpha == 0.0 { b.sigmoid(y)? } else { b.hard_sigmoid(y, alpha, beta)? };
            Ok([b.mul(y, gate)?, gate])
        };
        let [y, gate] = build(&mut b).unwrap();
        b.output(y, "y");
        if shared {
            b.output(gate, "gate");
        }
        let model = b.finish();
        agree(&model, &[("x", random(&[2, 5, 9, 7], 3))], 1e-5);
        let want: &[&str] = match (alpha, shared) {
            (0.2, _) => &["conv_f32", "unary", "binary"],
            (_, true) => &["conv_f32", "unary", "unary"],
            _ => &["conv_f32", "unary"],
        };
        assert_eq!(steps(&model), want, "{alpha} {beta} {shared}");
    }
}

#[test]
fn operators_one_by_one() {
    let s = [1, 4, 7, 5];
    one(&s, |b, x| {
        let w = weights(b, &[4, 1, 3, 3], 1);
        b.conv(x, w, None, &Window::square(3, 1, 1).grouped(4))
    });
    one(&s, |b, x| b.transpose(x, &[0, 1, 3, 2]));
    one(&s, |b, x| b.transpose(x, &[3, 1, 0, 2]));
    one(&s, |b, x| b.concat(&[x, x], 1));
    one(&s, |b, x| b.concat(&[x, x], 2));
    one(&s, |b, x| Ok(b.split(x, &[1, 3], 1)?[1]));
    one(&s, |b, x| b.slice(x, &[6], &[-100], &[2], &[-2]));
    one(&s, |b, x| b.slice(x, &[1, 1], &[3, 5], &[1, 3], &[1, 2]));
    for mode in ["constant", "reflect", "edge", "wrap"] {
        one(&s, |b, x| b.pad(x, &[0, 1, 1, 2, 0, 0, 0, 1], mode, 0.5));
    }
    one(&s, |b, x| b.reduce_mean(x, &[2, 3], true));
    one(&s, |b, x| b.reduce_sum(x, &[1], false));
    one(&s, |b, x| b.reshape(x, &[7, 4, 5]));
    one(&s, |b, x| b.reshape(x, &[2, 2, 5, 7]));
    one(&s, |b, x| b.expand(x, &[3, 4, 7, 5]));
    one(&s, |b, x| b.softmax(x, 1));
    one(&s, |b, x| b.sigmoid(x));
    one(&s, |b, x| b.mul(x, x));
    one(&s, |b, x| {
        let c = weights(b, &[4, 1, 1], 5);
        b.add(x, c)
    });
}

#[test]
fn every_unsupported_node_is_named_at_once() {
    let mut b = Builder::new("odd");
    let x = b.input("x", DataType::F32, &[2, 2]);
    let y = b.cum_sum(x, 0, false, false).unwrap();
    let y = b.cum_sum(y, 1, false, false).unwrap();
    b.output(y, "y");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let message = compile(&prepared, &Options::default()).unwrap_err().to_string();
    assert!(message.matches("CumSum").count() >= 2, "{message}");
}

#[test]
fn max_ram_names_the_peak() {
    let mut b = Builder::new("lenet");
    let y = lenet(&mut b).unwrap();
    b.output(y, "scores");
    let prepared = prepare(b.finish(), &[]).unwrap();
    let error = compile(&prepared, &Options { max_ram: Some(1000), ..Options::default() }).unwrap_err().to_string();
    assert!(error.contains("--max-ram") && error.contains("conv_f32"), "{error}");
}
