//! Which inputs a block of 16 output channels reads, of a convolution in several groups.

use crate::geometry::Geometry;

/// The inputs of every block: as many for each, which are those of the groups that its channels belong to, and filling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Inputs of a block, a multiple of 4.
    pub(super) inputs: usize,
    /// Inputs and outputs of a group.
    group_inputs: usize,
    group_outputs: usize,
    /// Where the inputs of the last block begin.
    last: usize,
}

impl Span {
    /// Those of a geometry; `None` where there is one group, or where no block has fewer inputs than all.
    pub(super) fn of(g: &Geometry) -> Option<Self> {
        let (group_inputs, group_outputs) = (g.group_inputs(), g.group_outputs());
        // A block begins a multiple of this behind the first channel of a group, so that at most so many groups are in it.
        let step = 1u32 << group_outputs.trailing_zeros().min(4);
        let groups = group_outputs.checked_sub(step)?.checked_add(16)?.div_ceil(group_outputs).min(g.groups);
        let inputs = groups.checked_mul(group_inputs)?.checked_next_multiple_of(4)?;
        let last = g.in_channels.checked_sub(inputs)?;
        let [inputs, last, group_inputs, group_outputs] =
            [inputs, last, group_inputs, group_outputs].map(|n| n as usize);
        (g.groups > 1).then_some(Self { inputs, group_inputs, group_outputs, last })
    }

    /// The first input of a group.
    pub(super) fn group(&self, channel: usize) -> usize {
        channel.checked_div(self.group_outputs).unwrap_or(0).wrapping_mul(self.group_inputs)
    }

    /// The first input of the block that this channel is in.
    pub(super) fn first(&self, channel: usize) -> usize {
        self.group(channel & !15).min(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::grouped_convolutions;

    #[test]
    fn blocks_have_the_inputs_of_their_channels() {
        for (inputs, outputs) in
            [(1, 1), (2, 3), (4, 4), (8, 8), (3, 5), (24, 24), (16, 16), (12, 20), (48, 32), (7, 64)]
        {
            for groups in 2..70 {
                let g = Geometry {
                    in_channels: inputs * groups,
                    out_channels: outputs * groups,
                    groups,
                    ..grouped_convolutions()[0]
                };
                let Some(span) = Span::of(&g) else {
                    assert!(g.in_channels < 16 * inputs + 4, "{g:?}");
                    continue;
                };
                assert!(span.inputs % 4 == 0);
                for channel in 0..g.out_channels as usize {
                    let (first, own) = (span.first(channel), channel / outputs as usize * inputs as usize);
                    assert!(first <= own && own + inputs as usize <= first + span.inputs, "{channel} {g:?}");
                    assert!(first + span.inputs <= g.in_channels as usize);
                }
            }
        }
    }

    #[test]
    fn no_more_than_that() {
        let of = |inputs, outputs, groups| {
            let (in_channels, out_channels) = (inputs * groups, outputs * groups);
            Span::of(&Geometry { in_channels, out_channels, groups, ..grouped_convolutions()[0] })
                .map(|span| span.inputs)
        };
        // Whole groups in a block, whole blocks in a group, and groups across blocks.
        assert_eq!(
            [of(8, 8, 13), of(8, 4, 13), of(40, 32, 5), of(16, 16, 2)],
            [Some(16), Some(32), Some(40), Some(16)]
        );
        assert_eq!([of(24, 24, 7), of(20, 12, 9), of(9, 3, 20)], [Some(48), Some(40), Some(56)]);
        assert_eq!([of(3, 3, 1), of(3, 3, 3)], [None, None]);
    }
}
