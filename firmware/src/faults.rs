//! What can be wrong with a plan, an arena or an input: each is a typed error, and the core goes on.

use ocellus_runtime::{Host, HostMut, Isa, LoadError, OpEntry, Plan, PlanError, PortError, Session, StepFault};
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
    let mut ports = false;
    if let Ok(mut session) = Session::load(plan, ops, Isa::best(), steps, arena) {
        let length = matches!(session.set_input(0, Host::F32(&[0.0; 3])), Err(PortError::Length { .. }))
            || matches!(session.set_input(0, Host::I8(&[0; 3])), Err(PortError::Length { .. }));
        let none = matches!(session.set_input(9, Host::F32(&[f32::NAN])), Err(PortError::NoSuchPort { index: 9 }));
        let kind = matches!(session.output(0, HostMut::I64(&mut [0; 3])), Err(PortError::Type { .. }));
        session.run();
        ports = length && none && kind;
    }
    let found = [truncated, damaged, small, words, unknown, shifted, ports];
    for (name, found) in
        ["truncated", "not a plan", "arena", "steps", "operation", "alignment", "ports"].iter().zip(found)
    {
        println!("fault {name} {}", if found { "refused" } else { "NOT REFUSED" });
    }
    found.iter().all(|&f| f)
}
