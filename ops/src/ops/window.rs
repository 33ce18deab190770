//! The sliding window that convolutions and pools share: attributes, and the sizes that follow from them.

use ocellus_graph::{Attributes, Dim, Node};

use crate::OpError;

/// The most spatial axes that a window may have.
const MOST_AXES: usize = 3;

/// No stride, dilation or padding is larger than this, so that sizes never overflow.
const LARGEST: i64 = 1 << 31;

/// How padding is chosen (ONNX `auto_pad`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AutoPad {
    /// The padding given.
    #[default]
    NotSet,
    /// `ceil(input / stride)` outputs, an odd element of padding at the end.
    SameUpper,
    /// `ceil(input / stride)` outputs, an odd element of padding at the beginning.
    SameLower,
    /// No padding.
    Valid,
}

impl AutoPad {
    const NAMES: [(&'static str, Self); 4] = [
        ("NOTSET", Self::NotSet),
        ("SAME_UPPER", Self::SameUpper),
        ("SAME_LOWER", Self::SameLower),
        ("VALID", Self::Valid),
    ];

    /// The name in an ONNX file.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, v)| *v == self).map_or("NOTSET", |(name, _)| name)
    }

    /// Reads the attribute of a node.
    pub(super) fn of_node(node: &Node) -> Result<Self, OpError> {
        let name = node.attributes.string("auto_pad").unwrap_or("NOTSET");
        let found = Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        found.ok_or_else(|| {
            let known = "NOTSET, SAME_UPPER, SAME_LOWER and VALID are known";
            OpError::at(node, format!("auto_pad is {name:?}; {known}"))
        })
    }
}

/// A window over 1 to 3 spatial axes. Empty lists stand for ONNX's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Elements of the window along every spatial axis; may stay empty where weights say it.
    pub kernel: Vec<i64>,
    /// Steps between windows; empty: 1.
    pub strides: Vec<i64>,
    /// Padding at the beginning of every axis, then at the end of every axis; empty: 0.
    pub pads: Vec<i64>,
    /// Steps between the elements of a window; empty: 1.
    pub dilations: Vec<i64>,
    /// Groups of channels that see only each other (convolutions).
    pub group: i64,
    /// How padding is chosen.
    pub auto_pad: AutoPad,
    /// Whether a last, incomplete window counts (pools); it never starts in the padding at the end.
    pub ceil_mode: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            kernel: Vec::new(),
            strides: Vec::new(),
            pads: Vec::new(),
            dilations: Vec::new(),
            group: 1,
            auto_pad: AutoPad::NotSet,
            ceil_mode: false,
        }
    }
}

impl Window {
    /// A window of these sizes, stride 1, without padding.
    pub fn new(kernel: &[i64]) -> Self {
        Self { kernel: kernel.to_vec(), ..Self::default() }
    }

    /// A square window over two axes with the same stride and padding on all sides.
    pub fn square(size: i64, stride: i64, pad: i64) -> Self {
        Self { strides: vec![stride; 2], pads: vec![pad; 4], ..Self::new(&[size; 2]) }
    }

    /// This window over channels in `group` groups.
    #[must_use]
    pub fn grouped(self, group: i64) -> Self {
        Self { group, ..self }
    }

    /// This window with steps between its elements.
    #[must_use]
    pub fn dilated(self, dilations: &[i64]) -> Self {
        Self { dilations: dilations.to_vec(), ..self }
    }

    /// The attributes of a node; defaults are left out.
    pub fn attributes(&self) -> Attributes {
        let mut attributes = Attributes::new();
        let lists = [("kernel_shape", &self.kernel), ("strides", &self.strides), ("dilations", &self.dilations)];
        for (name, list) in lists {
            if !list.is_empty() {
                attributes.set(name, list.clone());
            }
        }
        if !self.pads.is_empty() && self.auto_pad == AutoPad::NotSet {
            attributes.set("pads", self.pads.clone());
        }
        if self.auto_pad != AutoPad::NotSet {
            attributes.set("auto_pad", self.auto_pad.name());
        }
        if self.group != 1 {
            attributes.set("group", self.group);
        }
        if self.ceil_mode {
            attributes.set("ceil_mode", 1i64);
        }
        attributes
    }

    /// The window of a node.
    pub(super) fn of_node(node: &Node) -> Result<Self, OpError> {
        let list = |name| node.attributes.ints(name).map(<[i64]>::to_vec).unwrap_or_default();
        Ok(Self {
            kernel: list("kernel_shape"),
            strides: list("strides"),
            pads: list("pads"),
            dilations: list("dilations"),
            group: node.attributes.int("group").unwrap_or(1),
            auto_pad: AutoPad::of_node(node)?,
            ceil_mode: node.attributes.int("ceil_mode").unwrap_or(0) != 0,
        })
    }

    /// The kernel as sizes, where the attribute has to be there.
    pub(super) fn kernel_sizes(&self, node: &Node) -> Result<Vec<usize>, OpError> {
        if self.kernel.is_empty() {
            return Err(OpError::at(node, "the attribute kernel_shape is missing"));
        }
        self.kernel.iter().map(|&k| size(node, "kernel_shape", k, 1)).collect()
    }

    /// The window along every axis of an input of these sizes.
    pub(super) fn axes(&self, node: &Node, kernel: &[usize], input: &[usize]) -> Result<Vec<Axis>, OpError> {
        let steps = self.steps(node, kernel, input.len())?;
        steps.iter().zip(input).map(|(step, &n)| step.over(node, n, self.auto_pad, self.ceil_mode)).collect()
    }

    /// The sizes of the output over an input whose sizes need not be known.
    pub(super) fn output_dims(&self, node: &Node, kernel: &[usize], input: &[Dim]) -> Result<Vec<Dim>, OpError> {
        let steps = self.steps(node, kernel, input.len())?;
        (steps.iter().zip(input))
            .map(|(step, dim)| match dim {
                Dim::Known(n) => Ok(Dim::Known(step.over(node, *n, self.auto_pad, self.ceil_mode)?.output)),
                _ if step.keeps_size(self.auto_pad) => Ok(dim.clone()),
                _ => Ok(Dim::Unknown),
            })
            .collect()
    }

    /// Kernel, stride, dilation and padding of every axis, each checked.
    pub(super) fn steps(&self, node: &Node, kernel: &[usize], rank: usize) -> Result<Vec<Step>, OpError> {
        if rank == 0 || rank > MOST_AXES {
            return Err(OpError::at(node, format!("has {rank} spatial axes; 1 to {MOST_AXES} are supported")));
        }
        let lengths = [
            ("kernel_shape", kernel.len(), rank),
            ("strides", self.strides.len(), rank),
            ("dilations", self.dilations.len(), rank),
            ("pads", self.pads.len(), 2 * rank),
        ];
        for (name, found, expected) in lengths {
            if found != expected && (found != 0 || name == "kernel_shape") {
                return Err(OpError::at(node, format!("{name} has {found} entries; {expected} are expected")));
            }
        }
        let entry = |name, list: &[i64], i, default, least| match list.get(i) {
            None => Ok(default),
            Some(&value) => size(node, name, value, least),
        };
        (0..rank)
            .map(|i| {
                Ok(Step {
                    kernel: size(node, "kernel_shape", kernel[i] as i64, 1)?,
                    stride: entry("strides", &self.strides, i, 1, 1)?,
                    dilation: entry("dilations", &self.dilations, i, 1, 1)?,
                    begin: entry("pads", &self.pads, i, 0, 0)?,
                    end: entry("pads", &self.pads, rank + i, 0, 0)?,
                })
            })
            .collect()
    }
}

fn size(node: &Node, name: &str, value: i64, least: i64) -> Result<usize, OpError> {
    if (least..=LARGEST).contains(&value) {
        return Ok(value as usize);
    }
    Err(OpError::at(node, format!("{name} holds {value}; {least} to {LARGEST} are allowed")))
}

/// The window along one axis, before the input's size is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Elements of the window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Steps between elements.
    pub dilation: usize,
    /// Padding before the input.
    pub begin: usize,
    /// Padding after the input.
    pub end: usize,
}

impl Step {
    /// Elements from the first to the last of a window.
    pub fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// Whether there are as many windows as elements, however many these are.
    pub fn keeps_size(&self, auto: AutoPad) -> bool {
        self.stride == 1
            && match auto {
                AutoPad::NotSet => self.begin + self.end + 1 == self.extent(),
                AutoPad::Valid => self.extent() == 1,
                AutoPad::SameUpper | AutoPad::SameLower => true,
            }
    }

    /// The window over `input` elements.
    fn over(&self, node: &Node, input: usize, auto: AutoPad, ceil_mode: bool) -> Result<Axis, OpError> {
        let mut step = *self;
        let output = match auto {
            AutoPad::SameUpper | AutoPad::SameLower => {
                let output = input.div_ceil(self.stride);
                let covered = output.saturating_sub(1).saturating_mul(self.stride).saturating_add(self.extent());
                let total = covered.saturating_sub(input);
                (step.begin, step.end) = split_padding(total, auto);
                output
            }
            AutoPad::Valid => {
                (step.begin, step.end) = (0, 0);
                step.count(node, input, ceil_mode)?
            }
            AutoPad::NotSet => step.count(node, input, ceil_mode)?,
        };
        let Step { kernel, stride, dilation, begin, end } = step;
        Ok(Axis { kernel, stride, dilation, begin, end, input, output })
    }

    fn count(&self, node: &Node, input: usize, ceil_mode: bool) -> Result<usize, OpError> {
        let padded = input.saturating_add(self.begin + self.end);
        let room = padded.checked_sub(self.extent()).ok_or_else(|| {
            let extent = self.extent();
            OpError::at(node, format!("a window of {extent} elements does not fit {input} elements padded to {padded}"))
        })?;
        if !ceil_mode {
            return Ok(room / self.stride + 1);
        }
        let last = room.div_ceil(self.stride);
        Ok(if last.saturating_mul(self.stride) >= input.saturating_add(self.begin) { last } else { last + 1 })
    }
}

/// Padding at both ends: SAME_UPPER puts an odd element at the end.
pub(super) fn split_padding(total: usize, auto: AutoPad) -> (usize, usize) {
    let half = total / 2;
    if auto == AutoPad::SameUpper { (half, total - half) } else { (total - half, half) }
}

/// The window along one axis of an input of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Elements of the window.
    pub kernel: usize,
    /// Steps between windows.
    pub stride: usize,
    /// Steps between elements.
    pub dilation: usize,
    /// Padding before the input.
    pub begin: usize,
    /// Padding after the input.
    pub end: usize,
    /// Elements of the input.
    pub input: usize,
    /// Windows.
    pub output: usize,
}

impl Axis {
    /// An axis of one element and one window.
    pub(super) const UNIT: Self = Self { kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0, input: 1, output: 1 };

    /// Elements from the first to the last of a window.
    pub fn extent(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// Whether two windows can share an element.
    pub fn overlaps(&self) -> bool {
        self.stride < self.extent()
    }

    /// Elements from the beginning of the padding to the end of the last window.
    pub fn covered(&self) -> usize {
        self.output.saturating_sub(1) * self.stride + self.extent()
    }

    /// The input elements of window `output`, with the taps that read them.
    pub fn inside(&self, output: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { kernel, dilation, begin, input, .. } = *self;
        let start = output * self.stride;
        (0..kernel).filter_map(move |tap| {
            let at = (start + tap * dilation).checked_sub(begin)?;
            (at < input).then_some((tap, at))
        })
    }

    /// How many elements of window `output` are input or padding, not beyond the padding at the end.
    pub fn inside_padded(&self, output: usize) -> usize {
        let room = (self.begin + self.input + self.end).saturating_sub(output * self.stride);
        room.div_ceil(self.dilation).min(self.kernel)
    }

    /// The windows whose element `tap` lies in the input: the first of them, the input element there, and how many.
    pub fn reach(&self, tap: usize) -> (usize, usize, usize) {
        let offset = tap * self.dilation;
        let first = self.begin.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.begin + self.input).saturating_sub(offset).div_ceil(self.stride).min(self.output);
        if end <= first {
            return (0, 0, 0);
        }
        (first, first * self.stride + offset - self.begin, end - first)
    }
}

/// Refuses windows that see nothing but padding, whose maximum or average has no meaning.
pub(super) fn require_elements(node: &Node, axes: &[Axis]) -> Result<(), OpError> {
    for axis in axes {
        // A window that starts in the input sees its first element there: only the others are looked at.
        let front = 0..axis.begin.div_ceil(axis.stride).min(axis.output);
        let back = (axis.begin + axis.input).div_ceil(axis.stride)..axis.output;
        if let Some(empty) = front.chain(back).find(|&o| axis.inside(o).next().is_none()) {
            return Err(OpError::at(
                node,
                format!("window {empty} of an axis lies in the padding; pads are too large"),
            ));
        }
    }
    Ok(())
}

/// Three axes, those in front of `axes` with one element.
pub(super) fn three(axes: &[Axis]) -> [Axis; MOST_AXES] {
    let mut all = [Axis::UNIT; MOST_AXES];
    for (slot, axis) in all.iter_mut().rev().zip(axes.iter().rev()) {
        *slot = *axis;
    }
    all
}

/// For one element of the kernel: every run of windows along the last axis, as (first window, first input element,
/// length). Along a run the input advances by the stride of the last axis.
pub(super) fn runs(axes: &[Axis; MOST_AXES], taps: [usize; MOST_AXES], mut run: impl FnMut(usize, usize, usize)) {
    let [z, y, x] = axes;
    let [(oz, iz, nz), (oy, iy, ny), (ox, ix, nx)] = [z.reach(taps[0]), y.reach(taps[1]), x.reach(taps[2])];
    for a in 0..nz {
        for b in 0..ny {
            let output = ((oz + a) * y.output + oy + b) * x.output + ox;
            let input = ((iz + a * z.stride) * y.input + iy + b * y.stride) * x.input + ix;
            run(output, input, nx);
        }
    }
}

/// Every element of the kernel in row-major order.
pub(super) fn taps(axes: &[Axis; MOST_AXES]) -> impl Iterator<Item = [usize; MOST_AXES]> + use<> {
    let [a, b, c] = axes.map(|axis| axis.kernel);
    (0..a * b * c).map(move |i| [i / (b * c), i / c % b, i % c])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(window: &Window, input: usize) -> Result<Axis, OpError> {
        let node = Node::new("Conv", [], []);
        let kernel: Vec<usize> = window.kernel.iter().map(|&k| k as usize).collect();
        Ok(window.axes(&node, &kernel, &[input])?[0])
    }

    fn window(kernel: i64, stride: i64, pads: [i64; 2], dilation: i64) -> Window {
        let (strides, dilations) = (vec![stride], vec![dilation]);
        Window { strides, dilations, pads: pads.to_vec(), ..Window::new(&[kernel]) }
    }

    #[test]
    fn counts_windows() {
        for (kernel, stride, pads, dilation, input, floor, ceil) in [
            (3, 1, [1, 1], 1, 5, 5, 5),
            (3, 2, [0, 0], 1, 6, 2, 3),
            (2, 2, [0, 0], 1, 5, 2, 3),
            (3, 2, [1, 1], 1, 4, 2, 3),
            (2, 2, [1, 1], 1, 5, 3, 3),
            (3, 3, [1, 1], 1, 2, 1, 1),
            (3, 1, [0, 0], 2, 7, 3, 3),
        ] {
            let mut w = window(kernel, stride, pads, dilation);
            assert_eq!(axis(&w, input).unwrap().output, floor, "floor {w:?}");
            w.ceil_mode = true;
            assert_eq!(axis(&w, input).unwrap().output, ceil, "ceil {w:?}");
        }
    }

    #[test]
    fn same_padding_puts_the_odd_element_where_it_belongs() {
        for (auto_pad, begin, end) in [(AutoPad::SameUpper, 0, 1), (AutoPad::SameLower, 1, 0)] {
            let a = axis(&Window { auto_pad, ..window(3, 2, [0, 0], 1) }, 6).unwrap();
            assert_eq!((a.output, a.begin, a.end), (3, begin, end), "{auto_pad:?}");
        }
        let valid = axis(&Window { auto_pad: AutoPad::Valid, ..window(3, 2, [9, 9], 1) }, 6).unwrap();
        assert_eq!((valid.output, valid.begin), (2, 0));
    }

    #[test]
    fn reach_and_inside_agree() {
        for input in 1..9 {
            for (kernel, stride, pads, dilation) in
                [(3, 1, [1, 1], 1), (3, 2, [2, 0], 2), (2, 3, [0, 1], 1), (1, 4, [0, 0], 1), (5, 1, [4, 4], 2)]
            {
                let Ok(a) = axis(&window(kernel, stride, pads, dilation), input) else { continue };
                let mut direct: Vec<_> =
                    (0..a.output).flat_map(|o| a.inside(o).map(move |(tap, at)| (tap, o, at))).collect();
                let mut reached: Vec<_> = (0..a.kernel)
                    .flat_map(|tap| {
                        let (o, i, n) = a.reach(tap);
                        (0..n).map(move |k| (tap, o + k, i + k * a.stride))
                    })
                    .collect();
                direct.sort_unstable();
                reached.sort_unstable();
                assert_eq!(direct, reached, "{a:?}");
            }
        }
    }

    #[test]
    fn unknown_sizes_survive_where_the_window_keeps_them() {
        let node = Node::new("Conv", [], []);
        let n = [Dim::Symbol("w".into())];
        assert_eq!(window(3, 1, [1, 1], 1).output_dims(&node, &[3], &n).unwrap(), n);
        assert_eq!(window(3, 2, [1, 1], 1).output_dims(&node, &[3], &n).unwrap(), [Dim::Unknown]);
    }

    #[test]
    fn nonsense_is_refused() {
        for w in [window(0, 1, [0, 0], 1), window(3, 0, [0, 0], 1), window(3, 1, [-1, 0], 1), window(9, 1, [0, 0], 1)] {
            assert!(axis(&w, 5).is_err(), "{w:?}");
        }
        let huge = window(i64::MAX, 1, [0, 0], i64::MAX);
        assert!(axis(&huge, 5).is_err());
        let three_pads = Window { pads: vec![1, 1, 1], ..Window::new(&[3]) };
        assert!(axis(&three_pads, 5).unwrap_err().to_string().contains("pads has 3 entries; 2 are expected"));
    }

    #[test]
    fn attributes_round_trip() {
        let w = Window { ceil_mode: true, ..Window::square(3, 2, 1).dilated(&[2, 2]).grouped(4) };
        let node = Node::new("MaxPool", [], []).with_attributes(w.attributes());
        assert_eq!(Window::of_node(&node).unwrap(), w);
    }
}
