//! Pictures for a network on a board: writes the bytes of the plan's input, one picture after the other, and prints for each
//! the checksum of this machine's answer (portable kernels), its class, and the class that it should be: `-` where the
//! answer is no class.
//!
//! `board-samples NET MODEL.onnx PLAN COUNT OUT`

use ocellus_graph::Model;
use ocellus_plan::{HostType, crc32};
use ocellus_runtime::{Host, HostMut, Isa, Session, with_session};
use ocellus_tests::samples::{Sample, greatest, samples};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [net, model, plan, count, out] = &arguments[..] else {
        return Err("board-samples NET MODEL.onnx PLAN COUNT OUT".to_owned());
    };
    let count = count.parse().map_err(|_| format!("{count} is not a number of pictures"))?;
    let all = samples(net, &Model::load(model).map_err(|e| e.to_string())?, count)?;
    let plan = std::fs::read(plan).map_err(|e| format!("{plan}: {e}"))?;
    let answers = with_session(&plan, Isa::PORTABLE, |session| {
        all.iter().map(|sample| answer(session, sample)).collect::<Result<Vec<_>, _>>()
    });
    let mut bytes = Vec::new();
    for (answer, sample) in answers.map_err(|e| e.to_string())??.iter().zip(&all) {
        bytes.extend(&answer.input);
        let right = sample.class.map_or("-".to_owned(), |class| class.to_string());
        println!("sample {:08x} {} {right}", answer.checksum, answer.class);
    }
    std::fs::write(out, bytes).map_err(|e| format!("{out}: {e}"))
}

struct Answer {
    input: Vec<u8>,
    checksum: u32,
    class: usize,
}

fn answer(session: &mut Session<'_>, sample: &Sample) -> Result<Answer, String> {
    let (input, output) = (session.plan().inputs().next(), session.plan().outputs().next());
    let (input, output) = input.zip(output).ok_or("the plan has no input or output")?;
    let whole: Vec<i8> = sample.input.iter().map(|&v| v as i8).collect();
    let values = if input.host == HostType::I8 { Host::I8(&whole) } else { Host::F32(&sample.input) };
    session.set_input(0, values).map_err(|e| e.to_string())?;
    let input = session.input_bytes(0).map_err(|e| e.to_string())?.to_vec();
    session.run();
    let all =
        (0..session.plan().outputs().count()).try_fold(0, |crc, k| session.output_bytes(k).map(|o| crc32(crc, o)));
    let checksum = all.map_err(|e| e.to_string())?;
    let (mut whole, mut scores) = (vec![0; output.elements()], vec![0.0; output.elements()]);
    let values = if output.host == HostType::I8 { HostMut::I8(&mut whole) } else { HostMut::F32(&mut scores) };
    session.output(0, values).map_err(|e| e.to_string())?;
    if output.host == HostType::I8 {
        scores = whole.into_iter().map(f32::from).collect();
    }
    Ok(Answer { input, checksum, class: greatest(&scores) })
}
