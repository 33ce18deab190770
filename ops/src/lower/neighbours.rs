//! Convolutions to fewer channels than kernels compute together: several neighbouring outputs as the channels of one, whose
//! kernel spans those of all, with weights of zero around each.

use ocellus_plan::args::{ConvGeometry, ConvI8};
use ocellus_plan::{Arguments, Reader};

use super::program::words;
use super::{Constant, DeviceStep, DeviceTensor, Program, TensorId};

/// How many times fewer products, in percent, are worth the larger weights.
const WORTH: u32 = 150;

/// An int8 convolution as one of which each output pixel is several neighbours of the first one's, with no more than so many
/// channels; `None` for any other step, and where that takes hardly fewer products of so many channels. The outputs lie where
/// they lay, and every one is the same sum.
pub fn of_neighbours(program: &mut Program, step: &DeviceStep, channels: u32) -> Option<DeviceStep> {
    let args: ConvI8 = (step.code == ConvI8::CODE).then(|| Reader::new(&step.args).get())??;
    let g = args.geometry;
    if g.groups != 1 || g.dilation_width != 1 {
        return None;
    }
    let most = channels.checked_div(g.out_channels)?;
    let width = |together: u32| g.kernel_width + (together - 1) * g.stride_width;
    let gain = |together: u32| 100 * together * g.kernel_width / width(together);
    let divides = |together: &u32| g.out_width.is_multiple_of(*together) && gain(*together) >= WORTH;
    let together = (2..=most).rev().find(divides)?;
    let geometry = ConvGeometry {
        out_width: g.out_width / together,
        out_channels: g.out_channels * together,
        kernel_width: width(together),
        stride_width: g.stride_width * together,
        ..g
    };
    let constant = |program: &Program, r: usize| -> Option<Constant> {
        program.tensors[step.reads.get(r).copied().flatten()?].constant.clone()
    };
    let Constant::ConvI8(rows, _) = constant(program, 1)? else { return None };
    let (Constant::Bytes(bias), Constant::Bytes(multipliers)) = (constant(program, 2)?, constant(program, 3)?) else {
        return None;
    };
    let (from, to) = (g.kernel_width * g.in_channels, geometry.kernel_width * g.in_channels);
    let mut spread = Vec::new();
    for place in (0..together).map(|k| k * g.stride_width * g.in_channels) {
        for row in rows.chunks_exact(from as usize) {
            let start = spread.len() + place as usize;
            spread.resize(spread.len() + to as usize, 0);
            spread[start..start + row.len()].copy_from_slice(row);
        }
    }
    let mut reads = step.reads.clone();
    let mut add = |like: Option<TensorId>, len: usize, constant: Constant| -> Option<TensorId> {
        let mut tensor = DeviceTensor::new(program.tensors[like?].element, &[len], None);
        tensor.constant = Some(constant);
        Some(program.add(tensor))
    };
    let channels = geometry.out_channels as usize;
    reads[1] = add(reads[1], spread.len(), Constant::ConvI8(spread, geometry));
    reads[2] = add(reads[2], channels, Constant::Bytes(bias.repeat(together as usize)));
    reads[3] = add(reads[3], channels, Constant::Bytes(multipliers.repeat(together as usize)));
    Some(DeviceStep { args: words(ConvI8 { geometry, ..args }), reads, ..step.clone() })
}

#[cfg(test)]
mod tests {
    use ocellus_plan::args::element;

    use super::*;
    use crate::lower::{i8_bytes, i32_bytes};

    /// A convolution to two channels of pictures with so many columns.
    fn convolution(out_width: u32, kernel_width: u32, stride_width: u32) -> (Program, DeviceStep) {
        let geometry = ConvGeometry {
            in_channels: 1,
            out_channels: 2,
            out_width,
            kernel_height: 1,
            kernel_width,
            stride_width,
            dilation_width: 1,
            groups: 1,
            ..Default::default()
        };
        let mut p = Program::default();
        let [x, y, w] = [0; 3].map(|_| p.add(DeviceTensor::new(element::I8, &[1], None)));
        let rows: Vec<i8> = (1..=2 * kernel_width as i8).collect();
        p.tensors[w].constant = Some(Constant::ConvI8(rows, geometry));
        let bias = p.constant(element::I32, i32_bytes(&[5, 6]));
        let multipliers = p.constant(element::I8, i8_bytes(&[7, 8]));
        let args = ConvI8 { geometry, ..Default::default() };
        let step = p.push("conv", args, &[y], &[x, w, bias, multipliers]).clone();
        (p, step)
    }

    #[test]
    fn neighbours_are_channels_with_the_same_weights_elsewhere() {
        let (mut p, step) = convolution(12, 3, 1);
        let made = of_neighbours(&mut p, &step, 6).unwrap();
        let args: ConvI8 = Reader::new(&made.args).get().unwrap();
        let g = args.geometry;
        assert_eq!((g.out_width, g.out_channels, g.kernel_width, g.stride_width), (4, 6, 5, 3));
        let constant = |r: usize| p.tensors[made.reads[r].unwrap()].constant.clone().unwrap();
        let rows =
            [[1, 2, 3, 0, 0], [4, 5, 6, 0, 0], [0, 1, 2, 3, 0], [0, 4, 5, 6, 0], [0, 0, 1, 2, 3], [0, 0, 4, 5, 6]];
        assert_eq!(constant(1), Constant::ConvI8(rows.concat(), g));
        assert_eq!(constant(2), Constant::Bytes(i32_bytes(&[5, 6, 5, 6, 5, 6])));
        assert_eq!(constant(3), Constant::Bytes(i8_bytes(&[7, 8, 7, 8, 7, 8])));
    }

    #[test]
    fn what_gains_nothing_stays() {
        // No more than one pixel's channels, a prime number of columns, kernels of one column, steps as wide as the kernel.
        for (channels, out_width, kernel, stride) in [(3, 12, 3, 1), (8, 13, 3, 1), (8, 12, 1, 1), (8, 12, 3, 3)] {
            let (mut p, step) = convolution(out_width, kernel, stride);
            assert_eq!(of_neighbours(&mut p, &step, channels), None, "{channels} {out_width} {kernel} {stride}");
        }
    }
}
