//! The decoder of words over the runtime: its state is read from the step's outputs and put into its inputs, row by row.

use anyhow::{Context, Result, bail, ensure};
use ocellus_graph::Tensor;
use ocellus_plan::Plan;
use ocellus_runtime::Isa;
use ocellus_vision::Values;
use ocellus_vision::caption::{self, Beam, Step, Vocabulary};
use ocellus_vision::metadata::CaptionDecode;

use crate::memory::with_plan;
use crate::scene_accuracy::Outputs;
use crate::tensors;

/// Most words of a sentence.
const WORDS: usize = 32;

/// A sentence.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The sentence: the first letter large, a full stop at the end.
    pub sentence: String,
    /// Its words.
    pub words: Vec<String>,
    /// `ln p` of the sentence.
    pub log_probability: f32,
    /// Whether it was cut at the limit.
    pub cut: bool,
    /// Where the model looked for every word, where it has attention.
    pub attention: Vec<Vec<f32>>,
}

/// A step's plan with its vocabulary.
pub struct Decoder<'a> {
    plan: Plan<'a>,
    isa: Isa,
    decode: &'a CaptionDecode,
    text: String,
}

/// A step in the runtime.
struct Running<'r> {
    /// Runs the step.
    run: &'r mut dyn FnMut(&[(String, Tensor)]) -> Result<Outputs>,
    /// What stays the same for every word: the features of the picture.
    fixed: Vec<(String, Tensor)>,
    /// The state of every beam: name of the input, numbers of a row, rows.
    state: Vec<(String, usize, Vec<f32>)>,
    /// Beams of the graph.
    beams: usize,
    scores: Vec<f32>,
    words: usize,
    /// Of every step the attention of every beam.
    attention: Vec<Vec<f32>>,
}

impl Step for Running<'_> {
    type Error = anyhow::Error;

    fn step(&mut self, beams: &[Beam]) -> Result<()> {
        let mut inputs = self.fixed.clone();
        let mut words = vec![0i64; self.beams];
        words.iter_mut().zip(beams).for_each(|(word, beam)| *word = beam.word.into());
        inputs.push(("word".to_owned(), Tensor::vector(&words)));
        for (name, row, rows) in &self.state {
            let mut moved = vec![0f32; self.beams * row];
            for (to, beam) in moved.chunks_exact_mut(*row).zip(beams) {
                let from = rows.get(beam.from * row..(beam.from + 1) * row);
                to.copy_from_slice(from.context("a beam goes on from none that there is")?);
            }
            inputs.push((name.clone(), Tensor::of(&[self.beams, *row], moved)));
        }
        let outputs = (self.run)(&inputs)?;
        let named = |name: &str| outputs.iter().find(|(n, _)| n == name).map(|(_, t)| t.to_f32());
        for (name, _, rows) in &mut self.state {
            *rows = named(&format!("{name}'")).with_context(|| format!("the step has no output \"{name}'\""))?;
        }
        self.scores = named("scores").context("the step has no output \"scores\"")?;
        ensure!(self.scores.len() == self.beams * self.words, "the step knows another number of words");
        self.attention.extend(named("attention"));
        Ok(())
    }

    fn scores(&self, beam: usize) -> Values<'_> {
        Values::F32(self.scores.get(beam * self.words..(beam + 1) * self.words).unwrap_or(&[]))
    }
}

impl<'a> Decoder<'a> {
    /// A decoder of this plan.
    ///
    /// # Errors
    /// A vocabulary with more words than numbers for them.
    pub fn new(plan: Plan<'a>, isa: Isa, decode: &'a CaptionDecode) -> Result<Self> {
        ensure!(decode.words.len() <= usize::from(u16::MAX), "{} words are too many", decode.words.len());
        Ok(Self { plan, isa, decode, text: decode.text() })
    }

    /// The sentence for what an encoder has seen.
    ///
    /// # Errors
    /// A step that does not fit the encoder.
    pub fn caption(&self, seen: &Outputs, beams: usize) -> Result<Said> {
        with_plan(self.plan, self.isa, |session| {
            let ports: Vec<_> = session.plan().inputs().collect();
            let word = ports.iter().find(|p| p.name == "word").context("the step has no input \"word\"")?;
            let count = word.elements();
            let mut run = |inputs: &[(String, Tensor)]| {
                tensors::set_inputs(session, inputs)?;
                session.run();
                tensors::outputs(session)
            };
            let (mut fixed, mut state) = (Vec::new(), Vec::new());
            for port in ports.iter().filter(|p| p.name != "word") {
                let found = seen.iter().find(|(n, _)| n == port.name);
                let (name, tensor) = found.with_context(|| format!("the encoder makes no {:?}", port.name))?;
                if tensor.len() == port.elements() {
                    fixed.push((name.clone(), tensor.clone()));
                } else {
                    state.push((name.clone(), tensor.len(), tensor.to_f32()));
                }
            }
            let words = self.decode.words.len();
            let attention = Vec::new();
            let mut running =
                Running { run: &mut run, fixed, state, beams: count, scores: Vec::new(), words, attention };
            let rules = self.decode.search();
            let found: caption::Caption<WORDS> = match beams.min(count) {
                0 => bail!("a search needs a beam"),
                1 => caption::search::<_, 1, WORDS>(&mut running, &rules)?,
                2 => caption::search::<_, 2, WORDS>(&mut running, &rules)?,
                3 => caption::search::<_, 3, WORDS>(&mut running, &rules)?,
                4 => caption::search::<_, 4, WORDS>(&mut running, &rules)?,
                _ => caption::search::<_, 5, WORDS>(&mut running, &rules)?,
            };
            let vocabulary = Vocabulary::new(&self.text);
            let mut sentence = String::new();
            vocabulary.write(&found.words, &mut sentence).context("the sentence cannot be written")?;
            let name = |id: &u16| vocabulary.word(*id).unwrap_or("?").to_owned();
            let places = running.attention.first().map_or(0, |a| a.len() / count.max(1));
            let looked = |(step, &beam): (usize, &u8)| {
                let rows = running.attention.get(step)?;
                rows.get(usize::from(beam) * places..(usize::from(beam) + 1) * places).map(<[f32]>::to_vec)
            };
            Ok(Said {
                sentence,
                words: found.words.iter().map(name).collect(),
                log_probability: found.log_probability,
                cut: found.cut,
                attention: found.beams.iter().enumerate().filter_map(looked).collect(),
            })
        })?
    }
}
