//! Layer shapes in text files.

/// A convolution of one picture; a kernel of 1x1 on one pixel is a fully connected layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Which layer of which network.
    pub name: String,
    /// Input rows.
    pub height: usize,
    /// Input columns.
    pub width: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Rows and columns from window to window.
    pub stride: usize,
    /// Padding on every side.
    pub padding: usize,
    /// Groups.
    pub groups: usize,
}

impl Shape {
    /// Output rows and columns.
    pub fn output(&self) -> (usize, usize) {
        let of = |n: usize| (n + 2 * self.padding - self.kernel) / self.stride + 1;
        (of(self.height), of(self.width))
    }

    /// Multiply-accumulates, padded taps included.
    pub fn macs(&self) -> u64 {
        let (rows, columns) = self.output();
        (rows * columns * self.outputs * self.kernel * self.kernel * self.inputs / self.groups) as u64
    }
}

/// The shapes of a file: one a line, `#` begins a comment.
///
/// # Errors
/// The first line that is no shape.
pub fn shapes(text: &str) -> Result<Vec<Shape>, String> {
    let lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
    lines.map(|line| parse(line).ok_or_else(|| format!("no shape: {line:?}"))).collect()
}

fn parse(line: &str) -> Option<Shape> {
    let mut words = line.split_whitespace();
    let name = words.next()?.to_owned();
    let numbers: Vec<usize> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[height, width, inputs, outputs, kernel, stride, padding, groups] = &numbers[..] else { return None };
    Some(Shape { name, height, width, inputs, outputs, kernel, stride, padding, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read() {
        let all = shapes(include_str!("../shapes/convolutions.txt")).unwrap();
        assert_eq!((all[0].output(), all[0].macs()), ((112, 112), 10_838_016));
        assert!(all.len() > 10 && shapes("x 1 2").is_err());
    }
}
