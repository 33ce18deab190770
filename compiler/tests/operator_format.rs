//! A model in ONNX Runtime's operator format, where every operator reads and writes 8 bits, runs in 8 bits and gives the reference
//! answers.

mod agreement;

use agreement::{agree, one, random, steps, weights};
use ocellus_graph::{Attributes, DataType, Graph, Model, Node, Shape, Tensor, ValueId};
use ocellus_ops::Window;

/// A graph that grows operator by operator.
struct Growing {
    graph: Graph,
    count: usize,
}

/// Scale and zero point of a tensor of uint8.
type Quantization = (f32, u8);

impl Growing {
    fn constant(&mut self, tensor: Tensor) -> ValueId {
        self.count += 1;
        self.graph.add_initializer(&format!("c{}", self.count), tensor)
    }

    fn quantization(&mut self, (scale, zero): Quantization) -> [ValueId; 2] {
        [self.constant(Tensor::scalar(scale)), self.constant(Tensor::scalar(zero))]
    }

    /// The output of an operator.
    fn node(&mut self, domain: &str, op: &str, inputs: &[ValueId], attributes: Attributes) -> ValueId {
        self.count += 1;
        let y = self.graph.add_value(&format!("v{}", self.count), None, None);
        let mut node = Node::new(op, inputs.iter().copied().map(Some), [Some(y)]).with_attributes(attributes);
        (node.name, node.domain) = (format!("{op}_{}", self.count), domain.to_owned());
        self.graph.nodes.push(node);
        y
    }

    /// A convolution of 3x3 with a scale for every channel and a bias.
    fn conv(&mut self, x: ValueId, from: Quantization, [inputs, outputs]: [usize; 2], to: Quantization) -> ValueId {
        let [scale, zero] = self.quantization(from);
        let levels: Vec<i8> = random(&[outputs * inputs * 9], 3).to_f32().iter().map(|v| (v * 100.0) as i8).collect();
        let w = self.constant(Tensor::of(&[outputs, inputs, 3, 3], levels));
        let scales: Vec<f32> = (0..outputs).map(|o| 0.002 + o as f32 / 2000.0).collect();
        let w_scale = self.constant(Tensor::vector(&scales));
        let w_zero = self.constant(Tensor::vector(&vec![0i8; outputs]));
        let [y_scale, y_zero] = self.quantization(to);
        let bias = self.constant(Tensor::vector(&(0..outputs as i32).map(|o| 50 * o - 200).collect::<Vec<_>>()));
        let inputs = [x, scale, zero, w, w_scale, w_zero, y_scale, y_zero, bias];
        self.node("", "QLinearConv", &inputs, Attributes::new().with("pads", vec![1i64; 4]))
    }
}

const MICROSOFT: &str = "com.microsoft";

fn model() -> Model {
    let mut g = Growing { graph: Graph::new("operators"), count: 0 };
    let x = g.graph.add_value("x", Some(DataType::F32), Some(Shape::fixed(&[1, 3, 9, 7])));
    g.graph.inputs = vec![x];
    let (first, second, third) = ((1.0 / 128.0, 128), (1.0 / 64.0, 100), (1.0 / 50.0, 20));
    let [scale, zero] = g.quantization(first);
    let x = g.node("", "QuantizeLinear", &[x, scale, zero], Attributes::new());
    let a = g.conv(x, first, [3, 8], second);
    let b = g.conv(a, second, [8, 8], second);
    let [s, z] = g.quantization(second);
    let [t, u] = g.quantization(third);
    let sum = g.node(MICROSOFT, "QLinearAdd", &[a, s, z, b, s, z, t, u], Attributes::new());
    let axis = Attributes::new().with("axis", 1i64);
    let both = g.node(MICROSOFT, "QLinearConcat", &[t, u, sum, t, u, b, s, z], axis);
    let pooled = g.node("", "MaxPool", &[both], Attributes::new().with("kernel_shape", vec![2i64, 2]));
    let mean = g.node(MICROSOFT, "QLinearGlobalAveragePool", &[pooled, t, u, t, u], Attributes::new());
    let flat = g.node("", "Flatten", &[mean], Attributes::new());
    let levels: Vec<i8> = random(&[16 * 5], 4).to_f32().iter().map(|v| (v * 100.0) as i8).collect();
    let w = g.constant(Tensor::of(&[5, 16], levels));
    let (w_scale, w_zero) = (g.constant(Tensor::scalar(0.01f32)), g.constant(Tensor::scalar(0i8)));
    let bias = g.constant(Tensor::vector(&[10i32, -20, 30, 0, 500]));
    let to = Attributes::new().with("transB", 1i64);
    let y = g.node(MICROSOFT, "QGemm", &[flat, t, u, w, w_scale, w_zero, bias, t, u], to);
    let y = g.node("", "DequantizeLinear", &[y, t, u], Attributes::new());
    g.graph.outputs = vec![y];
    Model::new(g.graph)
}

#[test]
fn everything_between_input_and_output_runs_in_8_bits() {
    let steps = steps(&model());
    // Input and output are converted where they are set and read.
    let in_8_bits = |step: &String| step.ends_with("_i8") || step == "copy";
    assert!(steps.iter().all(in_8_bits), "{steps:?}");
}

/// A step of the output is a 50th: the last rounding may fall on the other side.
#[test]
fn answers_are_those_of_the_reference() {
    agree(&model(), &[("x", random(&[1, 3, 9, 7], 3))], 0.0201);
    // The first layer's sizes, in floats.
    one(&[1, 3, 9, 7], |b, x| {
        let w = weights(b, &[8, 3, 3, 3], 1);
        b.conv(x, w, None, &Window::square(3, 1, 1))
    });
}
