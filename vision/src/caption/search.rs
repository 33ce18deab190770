//! Beam search; with one beam it is greedy.

use heapless::Vec;

use super::WordId;
use crate::best::Best;
use crate::number::greater;
use crate::values::Values;

/// A beam of a step: which beam of the step before it goes on from, and the word that is read next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beam {
    /// Its place in the step before; 0 in the first step, which goes on from the initial state.
    pub from: usize,
    /// The word.
    pub word: WordId,
}

/// One step of a decoder, for several beams at once.
pub trait Step {
    /// What can go wrong.
    type Error;

    /// Reads one word in every beam. There are never more beams than the search is wide.
    ///
    /// # Errors
    /// What the model's runner says.
    fn step(&mut self, beams: &[Beam]) -> Result<(), Self::Error>;

    /// The logits of the next word in a beam of the last step, one per word.
    fn scores(&self, beam: usize) -> Values<'_>;
}

/// What a search goes by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The word that every sentence is begun with; it is no part of the caption.
    pub start: WordId,
    /// The word that ends a sentence; it is no part of the caption either.
    pub end: WordId,
    /// Words after which a sentence is cut, at most the capacity.
    pub limit: usize,
    /// Sentences are compared by `ln p / words^penalty` (Wu et al. 2016): 0 favours short ones, 1 judges by the word.
    pub penalty: f32,
}

/// A sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caption<const WORDS: usize> {
    /// Its words, without start and end.
    pub words: Vec<WordId, WORDS>,
    /// The beam that every word was read from, step by step: where a step left its attention.
    pub beams: Vec<u8, WORDS>,
    /// `ln p` of the sentence.
    pub log_probability: f32,
    /// Whether it was cut because it reached the limit.
    pub cut: bool,
}

impl<const WORDS: usize> Caption<WORDS> {
    /// What sentences are compared by.
    fn judged(&self, penalty: f32) -> f32 {
        // The end counts as a word, so that an empty sentence has a length too.
        let words = self.words.len().saturating_add(1) as f32;
        self.log_probability / libm::powf(words, penalty)
    }
}

/// The best sentence that `BEAMS` beams of at most `WORDS` words find. `BEAMS` is at least 1 and at most 255.
///
/// # Errors
/// What a step says.
pub fn search<S: Step, const BEAMS: usize, const WORDS: usize>(
    decoder: &mut S,
    rules: &Search,
) -> Result<Caption<WORDS>, S::Error> {
    let limit = rules.limit.min(WORDS);
    let mut alive: Vec<Caption<WORDS>, BEAMS> = Vec::new();
    let mut beams: Vec<Beam, BEAMS> = Vec::new();
    let mut done = Best::<Caption<WORDS>, BEAMS>::new();
    let _ = alive.push(Caption::default());
    let _ = beams.push(Beam { from: 0, word: rules.start });
    while !alive.is_empty() && done.len() < BEAMS {
        decoder.step(&beams)?;
        let next = extensions::<S, BEAMS, WORDS>(decoder, &alive);
        let before = alive.clone();
        alive.clear();
        beams.clear();
        for (log_probability, &(from, word)) in next.iter() {
            let Some(mut caption) = before.get(from).cloned() else { continue };
            caption.log_probability = log_probability;
            if word == rules.end {
                done.offer(caption.judged(rules.penalty), caption);
            } else if caption.words.len() >= limit {
                caption.cut = true;
                done.offer(caption.judged(rules.penalty), caption);
            } else {
                // There is room: the caption is shorter than the limit, and the beams are as many as the extensions.
                let _ = caption.words.push(word);
                let _ = caption.beams.push(from as u8);
                let _ = alive.push(caption);
                let _ = beams.push(Beam { from, word });
            }
        }
    }
    Ok(done.iter().next().map(|(_, caption)| caption.clone()).unwrap_or_default())
}

/// The most likely words after all beams: `ln p` of the sentence so far with the word, and (beam, word).
fn extensions<S: Step, const BEAMS: usize, const WORDS: usize>(
    decoder: &S,
    alive: &[Caption<WORDS>],
) -> Best<(usize, WordId), BEAMS> {
    let mut next = Best::new();
    for (from, caption) in alive.iter().enumerate() {
        let scores = decoder.scores(from);
        let value = |word: usize| scores.get(word).unwrap_or(f32::NEG_INFINITY);
        let most = (0..scores.len()).fold(f32::NEG_INFINITY, |m, w| greater(m, value(w)));
        let mut sum = 0.0f32;
        (0..scores.len()).for_each(|w| sum += libm::expf(value(w) - most));
        let norm = caption.log_probability - most - libm::logf(sum);
        for word in 0..scores.len().min(usize::from(WordId::MAX)) {
            let total = value(word) + norm;
            if next.threshold().is_none_or(|least| total > least) {
                next.offer(total, (from, word as WordId));
            }
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder whose scores depend on the last two words of a beam; words: 0 end, 1 start, 2 a, 3 b.
    struct Chain {
        states: std::vec::Vec<std::vec::Vec<WordId>>,
        scores: std::vec::Vec<[f32; 4]>,
        steps: usize,
    }

    impl Step for Chain {
        type Error = ();

        fn step(&mut self, beams: &[Beam]) -> Result<(), ()> {
            self.steps += 1;
            let before = self.states.clone();
            let go_on = |b: &Beam| {
                let mut state = before[b.from].clone();
                state.push(b.word);
                state
            };
            self.states = beams.iter().map(go_on).collect();
            let ln = |p: [f32; 4]| p.map(|v| if v > 0.0 { libm::logf(v) } else { -30.0 });
            // Greedy takes a (0.6) and then has to share; b (0.4) is followed by the end for sure.
            self.scores = (self.states.iter())
                .map(|s| match s[..] {
                    [1] => ln([0.0, 0.0, 0.6, 0.4]),
                    [1, 2] => ln([0.3, 0.0, 0.35, 0.35]),
                    [1, 3] => ln([1.0, 0.0, 0.0, 0.0]),
                    _ => ln([0.5, 0.0, 0.25, 0.25]),
                })
                .collect();
            Ok(())
        }

        fn scores(&self, beam: usize) -> Values<'_> {
            Values::F32(&self.scores[beam])
        }
    }

    fn chain() -> Chain {
        Chain { states: std::vec![std::vec![]], scores: std::vec![], steps: 0 }
    }

    const RULES: Search = Search { start: 1, end: 0, limit: 8, penalty: 0.0 };

    #[test]
    fn greedy_takes_the_next_best_word() {
        let found: Caption<8> = search::<_, 1, 8>(&mut chain(), &RULES).unwrap();
        assert_eq!(found.words[..], [2, 2]);
        assert!((found.log_probability - libm::logf(0.6 * 0.35 * 0.5)).abs() < 1e-5 && !found.cut);
    }

    #[test]
    fn beams_find_the_likelier_sentence() {
        let found: Caption<8> = search::<_, 3, 8>(&mut chain(), &RULES).unwrap();
        assert_eq!((&found.words[..], &found.beams[..]), (&[3u16][..], &[0u8][..]));
        assert!((found.log_probability - libm::logf(0.4)).abs() < 1e-5);
    }

    #[test]
    fn limits_cut_and_penalties_lengthen() {
        let found: Caption<8> = search::<_, 1, 8>(&mut chain(), &Search { limit: 1, ..RULES }).unwrap();
        assert_eq!((&found.words[..], found.cut), (&[2u16][..], true));
        let found: Caption<1> = search::<_, 1, 1>(&mut chain(), &RULES).unwrap();
        assert!(found.cut, "the capacity is a limit too");
        let long = Caption::<8> { log_probability: -4.0, words: [1, 1, 1].into_iter().collect(), ..Caption::default() };
        let short = Caption::<8> { log_probability: -2.5, ..Caption::default() };
        assert!(long.judged(0.0) < short.judged(0.0) && long.judged(1.0) > short.judged(1.0));
    }
}
