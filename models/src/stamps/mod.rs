//! Scenes made of cut-out photographs on photographs: exact boxes, masks and sentences, as many as are asked for.
//!
//! The pictures come from packages (`ocellus fetch stamps`) and are not part of the project; `stamps.tsv` says which
//! cut-outs are used, what each shows, and which are never seen in training. A scene is a function of (seed, split,
//! index), so that any number of threads make the same ones.
//!
//! | split | cut-outs | grounds | names |
//! |---|---|---|---|
//! | train | seen | seen | the objects' own |
//! | known | seen | unseen | the objects' own |
//! | unseen | unseen | unseen | the categories' |

mod compose;
mod cutout;
mod grounds;
mod names;
mod pictures;
mod sentence;

use std::path::Path;
use std::sync::Arc;

use ocellus_trainer::DataError;
use ocellus_trainer::data::{Scene, Scenes};
use ocellus_trainer::random::Random;

use cutout::Cutout;
use grounds::Photograph;
pub use names::{Named, by_category, named};
pub use pictures::StampPictures;

/// The cut-outs: category, name, split and file.
const TABLE: &str = include_str!("stamps.tsv");

/// Photographs that scenes stand on, none of which shows a thing of the categories; the second part is seen in tests
/// only.
const GROUNDS: [&[&str]; 2] = [
    &[
        "ground-aitzgorri.jpg",
        "ground-analogpattern.jpg",
        "ground-aqua.jpg",
        "ground-blinds.jpg",
        "ground-brick.png",
        "ground-burnt_bark.jpg",
        "ground-cliff.jpg",
        "ground-coffee.png",
        "ground-corn_maze.jpg",
        "ground-grass.png",
        "ground-greenmeadow.jpg",
        "ground-greentock.jpg",
        "ground-life.jpg",
        "ground-lighthouse.jpg",
        "ground-mossy_bark.jpg",
        "ground-ocean_splash.jpg",
        "ground-raindrops.jpg",
        "ground-redwoods_above.jpg",
        "ground-rocks.jpg",
        "ground-spiders_web.jpg",
        "ground-storm.jpg",
        "ground-sun_behind_leaves.jpg",
        "ground-sunset.jpg",
        "ground-trees_at_dusk.jpg",
        "ground-wood.jpg",
        "ground-wool_mill_machine.jpg",
    ],
    &[
        "ground-bridge.jpg",
        "ground-china.jpg",
        "ground-dune.jpg",
        "ground-gravel.png",
        "ground-mossy_log.jpg",
        "ground-mudstone.jpg",
        "ground-ocean_waves.jpg",
        "ground-picosdeeuropa.jpg",
        "ground-sun_behind_clouds.jpg",
        "ground-trees_above.jpg",
    ],
];

/// Which scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// New scenes and grounds with cut-outs that training has seen.
    Known,
    /// Cut-outs that training has never seen.
    Unseen,
}

impl Split {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Known => "known",
            Self::Unseen => "unseen",
        }
    }
}

/// The categories, in the order of the table.
pub fn categories() -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (category, ..) in rows() {
        if found.last().is_none_or(|last| last != category) {
            found.push(category.to_owned());
        }
    }
    found
}

/// Category, name, whether it is unseen, and file of every cut-out.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, bool, &'static str)> {
    let lines = TABLE.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.filter_map(|line| {
        let mut parts = line.split('\t');
        Some((parts.next()?, parts.next()?, parts.next()? == "unseen", parts.next()?))
    })
}

/// What scenes are made of.
pub struct Stamps {
    cutouts: Vec<Vec<Cutout>>,
    unseen: Vec<Vec<Cutout>>,
    grounds: [Vec<Photograph>; 2],
    categories: Vec<String>,
}

impl Stamps {
    /// Reads the pictures in `folder`, where `ocellus fetch stamps` has put them.
    ///
    /// # Errors
    /// A picture that is missing or damaged.
    pub fn open(folder: &Path) -> Result<Arc<Self>, DataError> {
        let categories = categories();
        let empty = || categories.iter().map(|_| Vec::new()).collect::<Vec<_>>();
        let (mut cutouts, mut unseen) = (empty(), empty());
        for (category, name, hidden, file) in rows() {
            let place = categories.iter().position(|c| c == category).unwrap_or(0);
            let cutout = Cutout::open(&folder.join(file), name)?;
            if hidden { &mut unseen[place] } else { &mut cutouts[place] }.push(cutout);
        }
        let part = |names: &[&str]| -> Result<Vec<_>, DataError> {
            names.iter().map(|name| Photograph::open(&folder.join(name))).collect()
        };
        let grounds = [part(GROUNDS[0])?, part(GROUNDS[1])?];
        Ok(Arc::new(Self { cutouts, unseen, grounds, categories }))
    }

    /// Scenes of `side` x `side` pixels.
    pub fn scenes(self: &Arc<Self>, split: Split, side: usize, count: usize, seed: u64) -> StampScenes {
        StampScenes { stamps: Arc::clone(self), split, side, count, seed }
    }

    /// A cut-out of this category that the split may show.
    fn cutout(&self, split: Split, category: usize, random: &mut Random) -> &Cutout {
        let all = if split == Split::Unseen { &self.unseen } else { &self.cutouts };
        &all[category][random.below(all[category].len())]
    }

    /// A photograph that the split may stand on.
    fn ground(&self, split: Split, random: &mut Random) -> &Photograph {
        let all = &self.grounds[usize::from(split != Split::Train)];
        &all[random.below(all.len())]
    }
}

/// Some scenes of a split.
#[derive(Clone)]
pub struct StampScenes {
    stamps: Arc<Stamps>,
    split: Split,
    side: usize,
    count: usize,
    seed: u64,
}

impl Scenes for StampScenes {
    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, index: usize) -> Result<Scene, DataError> {
        if index >= self.count {
            return Err(DataError::Sample(format!("scene {index} was asked for, there are {}", self.count)));
        }
        let mut random = Random::new(self.seed, &format!("stamps {}", self.split.name()), index as u64);
        compose::scene(&self.stamps, self.split, self.side, &mut random)
    }

    fn classes(&self) -> &[String] {
        &self.stamps.categories
    }
}

#[cfg(test)]
mod tests;
