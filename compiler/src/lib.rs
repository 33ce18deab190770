//! Integer graph to plan: passes, schedule, arena planning, packing, emit.
