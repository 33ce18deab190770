//! What can be wrong with a plan, an arena or an input: each is a typed error, and the core goes on.

use ocellus_runtime::{
    Host, HostMut, HostType, Isa, LoadError, OpEntry, Plan, PlanError, PortError, Session, StepFault,
};
use ocellus_vision::{Frame, FrameError, Pixels};
use semihosting::println;

/// Tries all of them; whether every one gave its error.
pub fn all(plan: &[u8], ops: &'static [OpEntry], steps: &mut [u32], arena: &mut [u8]) -> bool {
    let truncated = Plan::parse(&plan[..plan.len() - 64]).err() == Some(PlanError::Truncated);
    let damaged = Plan::parse(&plan[64..]).err() == Some(PlanError::NotAPlan);
    let Ok(plan) = Plan::parse(plan) else { return false };
    let short = plan.arena_bytes() - 1;
    let small = matches!(
        Session::load(plan, ops, Isa::best(), steps, &mut arena[..short]).err(),
        Some(LoadError::ArenaTooSmall { needed, given }) if needed == short + 1 && given == short
    );
    let few = steps.len() - 1;
    let words = matches!(
        Session::load(plan, ops, Isa::best(), &mut steps[..few], arena).err(),
        Some(LoadError::StepMemory { .. })
    );
    let unknown = matches!(
        Session::load(plan, &[], Isa::best(), steps, arena).err(),
        Some(LoadError::Step { fault: StepFault::UnknownOperation(_), .. })
    );
    let shifted = matches!(
        Session::load(plan, ops, Isa::best(), steps, &mut arena[1..]).err(),
        Some(LoadError::ArenaMisaligned { .. })
    );
    let frame = matches!(Frame::new(4, 4, 12, Pixels::Rgb(&[0; 47])), Err(FrameError::Bytes { needed: 48, found: 47 }));
    let (mut ports, mut numbers) = (false, false);
    if let Ok(mut session) = Session::load(plan, ops, Isa::best(), steps, arena) {
        let length = matches!(session.set_input(0, Host::F32(&[0.0; 3])), Err(PortError::Length { .. }))
            || matches!(session.set_input(0, Host::I8(&[0; 3])), Err(PortError::Length { .. }));
        let none = matches!(session.set_input(9, Host::F32(&[f32::NAN])), Err(PortError::NoSuchPort { index: 9 }));
        let kind = matches!(session.output(0, HostMut::I64(&mut [0; 3])), Err(PortError::Type { .. }));
        numbers = refuses_what_is_no_number(&mut session);
        session.run();
        ports = length && none && kind;
    }
    let found = [truncated, damaged, small, words, unknown, shifted, ports, numbers, frame];
    let names =
        ["truncated", "not a plan", "arena", "steps", "operation", "alignment", "ports", "not a number", "frame"];
    told(&names, &found)
}

/// Tries a plan that was made for another core: its weights lie as no kernel of this one reads them. Then the same plan with
/// a bit that flipped on the way, and with a format that nobody knows.
pub fn foreign(plan: &mut [u8], ops: &'static [OpEntry], steps: &mut [u32], arena: &mut [u8]) -> bool {
    let layout = Plan::parse(plan).is_ok_and(|plan| {
        let error = Session::load(plan, ops, Isa::best(), steps, arena).err();
        matches!(error, Some(LoadError::Step { fault: StepFault::Layout(_), .. }))
    });
    plan[plan.len() / 2] ^= 0x10;
    let bit = Plan::parse(plan).err() == Some(PlanError::Checksum);
    plan[FORMAT] = 0xFF;
    let format = matches!(Plan::parse(plan).err(), Some(PlanError::Version(_)));
    told(&["another core", "a bit", "format"], &[layout, bit, format])
}

/// Where a plan has its format's version.
const FORMAT: usize = 8;

fn told(names: &[&str], found: &[bool]) -> bool {
    for (name, found) in names.iter().zip(found) {
        println!("fault {name} {}", if *found { "refused" } else { "NOT REFUSED" });
    }
    found.iter().all(|&f| f)
}

/// Whether a float input whose device side is int8 refuses a value that is not a number; inputs of bytes have none.
fn refuses_what_is_no_number(session: &mut Session<'_>) -> bool {
    let float = session.plan().inputs().next().is_some_and(|port| port.host == HostType::F32);
    !float || matches!(session.set_input(0, Host::F32(&[f32::NAN])), Err(PortError::NotANumber { place: 0 }))
}
