//! The decoder of words: an LSTM cell of plain operators, and the attention that it may pay.

use ocellus_graph::{DataType, Model, ValueId};
use ocellus_ops::OpError;
use ocellus_trainer::checkpoint::Store;
use ocellus_trainer::{Initializer, NetworkBuilder};

use super::{BEAMS, Captioner, FEATURES};

/// Numbers that stand for a word.
const EMBEDDING: usize = 96;
/// Numbers that the cell remembers.
const HIDDEN: usize = 192;
/// Numbers that a question to the picture is made of.
const KEYS: usize = 64;

/// What the cell remembers, each `[N, HIDDEN]`.
#[derive(Clone, Copy, Debug)]
pub struct State {
    pub hidden: ValueId,
    pub cell: ValueId,
}

/// What the attention looks at: features `[N, places, FEATURES]`, and keys `[N, places, KEYS]` to find them by.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    pub features: ValueId,
    pub keys: ValueId,
    /// Rows and columns of the places.
    pub map: [usize; 2],
}

/// What a step leaves.
pub struct Stepped {
    /// `[N, words]`.
    pub scores: ValueId,
    pub state: State,
    /// `[N, places]`, where there is attention.
    pub attention: Option<ValueId>,
}

/// From the mean of the features `[N, FEATURES]`.
pub fn first_state(net: &mut NetworkBuilder, mean: ValueId) -> Result<State, OpError> {
    let hidden = net.dense_layer("first.hidden", mean, HIDDEN)?;
    let cell = net.dense_layer("first.cell", mean, HIDDEN)?;
    Ok(State { hidden: net.tanh(hidden)?, cell: net.tanh(cell)? })
}

/// From a map `[N, FEATURES, H, W]`. Every place adds numbers of its own, so that the decoder knows where it looks.
pub fn watch(net: &mut NetworkBuilder, map: ValueId) -> Result<Watched, OpError> {
    let [_, _, height, width] = net.shape(map)?[..] else {
        return Err(OpError::graph("captioner", "a map has four axes".to_owned()));
    };
    let rows = net.reshape(map, &[0, FEATURES as i64, -1])?;
    let features = net.transpose(rows, &[0, 2, 1])?;
    let (sizes, fans) = ([height * width, FEATURES], (FEATURES, FEATURES));
    let places = net.parameter("attention.places", &sizes, Initializer::Normal(0.0, 0.1), fans, false)?;
    let features = net.add(features, places)?;
    let fans = (FEATURES, KEYS);
    let weight = net.parameter("attention.key.weight", &[FEATURES, KEYS], Initializer::GlorotUniform, fans, true)?;
    let keys = net.matmul(features, weight)?;
    Ok(Watched { features, keys, map: [height, width] })
}

/// The mean of the features by how well their keys answer the cell's question, `[N, FEATURES]`, and the weights.
fn attend(net: &mut NetworkBuilder, watched: Watched, hidden: ValueId) -> Result<(ValueId, ValueId), OpError> {
    let question = net.dense_layer("attention.question", hidden, KEYS)?;
    let question = net.unsqueeze(question, &[1])?;
    let sum = net.add(watched.keys, question)?;
    let bent = net.tanh(sum)?;
    let fans = (KEYS, 1);
    let weight = net.parameter("attention.energy.weight", &[KEYS, 1], Initializer::GlorotUniform, fans, true)?;
    let energy = net.matmul(bent, weight)?;
    let energy = net.squeeze(energy, &[2])?;
    let weights = net.softmax(energy, 1)?;
    let wide = net.unsqueeze(weights, &[2])?;
    let weighted = net.mul(watched.features, wide)?;
    Ok((net.reduce_sum(weighted, &[1], false)?, weights))
}

/// Reads a word `[N]` in every row.
pub fn step(
    net: &mut NetworkBuilder,
    word: ValueId,
    state: State,
    watched: Option<Watched>,
    words: usize,
) -> Result<Stepped, OpError> {
    let fans = (words, EMBEDDING);
    let table = net.parameter("words.table", &[words, EMBEDDING], Initializer::Normal(0.0, 0.1), fans, true)?;
    let mut inputs = vec![net.gather(table, word, 0)?];
    let mut attention = None;
    if let Some(watched) = watched {
        let (context, weights) = attend(net, watched, state.hidden)?;
        inputs.push(context);
        attention = Some(weights);
    }
    inputs.push(state.hidden);
    let joined = net.concat(&inputs, 1)?;
    let gates = net.dense_layer("cell", joined, 4 * HIDDEN)?;
    let gates = net.split(gates, &[HIDDEN as i64; 4], 1)?;
    let (write, keep, read) = (net.sigmoid(gates[0])?, net.sigmoid(gates[1])?, net.sigmoid(gates[2])?);
    let new = net.tanh(gates[3])?;
    let kept = net.mul(keep, state.cell)?;
    let written = net.mul(write, new)?;
    let cell = net.add(kept, written)?;
    let bent = net.tanh(cell)?;
    let hidden = net.mul(read, bent)?;
    let scores = net.dense_layer("scores", hidden, words)?;
    Ok(Stepped { scores, state: State { hidden, cell }, attention })
}

/// The graph of one step over [`BEAMS`] beams; `map` is what the attention looks at. Its
///  inputs `word` `[BEAMS]`, `hidden` and `cell` `[BEAMS, HIDDEN]`, and with
/// attention `features` and `keys` of the one picture; outputs `scores`, `hidden'`, `cell'` and `attention`.
pub fn export(store: &Store, captioner: &Captioner, map: Option<[usize; 2]>, words: usize) -> Result<Model, OpError> {
    let mut net = NetworkBuilder::inference(&format!("{} step", captioner.name), store);
    let word = net.input("word", DataType::I64, &[BEAMS]);
    let hidden = net.input("hidden", DataType::F32, &[BEAMS, HIDDEN]);
    let cell = net.input("cell", DataType::F32, &[BEAMS, HIDDEN]);
    let watched = map.map(|[height, width]| Watched {
        features: net.input("features", DataType::F32, &[1, height * width, FEATURES]),
        keys: net.input("keys", DataType::F32, &[1, height * width, KEYS]),
        map: [height, width],
    });
    let stepped = step(&mut net, word, State { hidden, cell }, watched, words)?;
    net.output(stepped.scores, "scores");
    net.output(stepped.state.hidden, "hidden'");
    net.output(stepped.state.cell, "cell'");
    if let Some(attention) = stepped.attention {
        net.output(attention, "attention");
    }
    Ok(net.finish())
}
