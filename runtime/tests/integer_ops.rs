//! Every integer and movement operation through a plan: its result, and that no damaged arguments get it to fail while it
//! runs.

mod cases;

use cases::{all, run};
use ocellus_plan::Space;
use ocellus_runtime::Isa;

#[test]
fn every_operation_computes() {
    for case in all() {
        for isa in Isa::available() {
            let y = run(&case, case.step.clone(), isa);
            let (name, level) = (&case.step.name, isa.level());
            let y = y.unwrap_or_else(|| panic!("{name} is refused on {level:?}"));
            assert_eq!(y, case.want, "{name} on {level:?}");
        }
    }
}

#[test]
fn damaged_arguments_are_refused_or_give_the_same_everywhere() {
    let words = [0, 1, 2, 3, 5, 9, 17, 255, 65_536, 1 << 20, i32::MAX as u32, 1 << 31, u32::MAX - 1, u32::MAX];
    for case in all() {
        for place in 0..case.step.args.len() {
            for word in words {
                let mut step = case.step.clone();
                step.args[place] = word;
                let portable = run(&case, step.clone(), Isa::PORTABLE);
                for isa in Isa::available() {
                    assert_eq!(run(&case, step.clone(), isa), portable, "{} argument {place} = {word}", step.name);
                }
            }
        }
    }
}

#[test]
fn operands_of_another_length_or_kind_are_refused() {
    for case in all() {
        let name = &case.step.name;
        for k in 0..case.step.reads.len() {
            // A copy and rows of a table take tensors of any size that holds their box.
            let any = name == "copy" || name == "table_rows_i8" && k == 0;
            if case.step.reads[k].space != Space::Weights || any {
                continue;
            }
            let mut step = case.step.clone();
            step.reads[k].len += 8;
            assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} read {k} too long");
            // Integer products may go without the zero point of their input.
            if matches!(&name[..], "conv_integer" | "conv_dynamic") && k + 1 == case.step.reads.len() {
                continue;
            }
            let mut step = case.step.clone();
            step.reads[k].space = Space::Absent;
            assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} without read {k}");
        }
        let mut step = case.step.clone();
        step.writes[0].len -= 1;
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} write too short");
        let mut step = case.step.clone();
        step.args.push(0);
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} with an argument too many");
        let mut step = case.step.clone();
        step.args.pop();
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} without its last argument");
        let mut step = case.step.clone();
        step.reads.push(ocellus_plan::Operand::ABSENT);
        assert!(run(&case, step, Isa::PORTABLE).is_none(), "{name} with a read too many");
    }
}
