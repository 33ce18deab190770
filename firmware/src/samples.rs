//! Pictures from a file of the debugger's machine, one behind the other as the arena holds them.

use ocellus_boards::checksum;
use ocellus_runtime::Session;
use ocellus_vision::{Values, classify};
use semihosting::fs::File;
use semihosting::io::Read;
use semihosting::println;

use crate::path;

/// Runs every picture of the file that the command line names at this place, if it names one, and prints the checksum of
/// the answer and its class, the place of the greatest number; whether the file held whole pictures.
#[inline(never)]
pub fn all(place: usize, session: &mut Session<'_>) -> bool {
    let Some(name) = path(place) else { return true };
    let Ok(mut file) = File::open(name) else { return false };
    loop {
        match next(&mut file, session) {
            Some(true) => answer(session),
            Some(false) => return true,
            None => return false,
        }
    }
}

/// Reads a picture into the input; `Some(false)` at the end of the file, `None` within a picture.
fn next(file: &mut File, session: &mut Session<'_>) -> Option<bool> {
    let mut rest = session.input_bytes(0).ok()?;
    let all = rest.len();
    while !rest.is_empty() {
        match file.read(rest).ok()? {
            0 => return if rest.len() == all { Some(false) } else { None },
            count => rest = rest.get_mut(count..)?,
        }
    }
    Some(true)
}

fn answer(session: &mut Session<'_>) {
    session.run();
    let checksum = checksum(session);
    let Some((port, bytes)) = session.plan().outputs().next().zip(session.output_bytes(0).ok()) else { return };
    let best = Values::of(&port, bytes).and_then(|values| classify::top::<1>(values).first().copied());
    if let Some(best) = best {
        println!("sample {checksum:08x} {}", best.class);
    }
}
