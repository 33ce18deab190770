//! Helium: loops of elementwise functions of two int8 tensors, four elements at a time. The tail-predicated loop needs no
//! rest.

/// What a loop is told.
#[repr(C)]
pub(crate) struct Elements {
    pub(crate) scales: [f32; 2],
    /// Of a, of b, of y.
    pub(crate) zero_points: [i32; 3],
    /// Least and greatest output.
    pub(crate) bounds: [i32; 2],
    /// At least one.
    pub(crate) count: usize,
}

/// The loop, of the C calling convention with a, b, y and [`Elements`]: `$function` makes numbers in q0 of the differences
/// to the zero points, those of a in q0 and those of b in q1, with the scales in r4 and r5.
macro_rules! elements_loop {
    ($($function:literal),+) => {
        core::arch::naked_asm!(
            $crate::assembly::core_instructions!(),
            "push {{r4-r11, lr}}",
            "ldm r3, {{r4-r11}}",
            "vdup.32 q2, r9",
            "vdup.32 q3, r10",
            "dlstp.32 lr, r11",
            "2:",
            "vldrb.s32 q0, [r0], #4",
            "vldrb.s32 q1, [r1], #4",
            "vsub.i32 q0, q0, r6",
            "vsub.i32 q1, q1, r7",
            $($function,)+
            "vcvtn.s32.f32 q0, q0",
            "vqadd.s32 q0, q0, r8",
            "vmax.s32 q0, q0, q2",
            "vmin.s32 q0, q0, q3",
            "vstrb.32 q0, [r2], #4",
            "letp lr, 2b",
            "pop {{r4-r11, pc}}",
        )
    };
}

pub(crate) use elements_loop;
