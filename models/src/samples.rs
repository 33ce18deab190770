//! Sample pictures that ship with the project; `models/samples/fashion-mnist/README.md` says how they were drawn.

use std::path::PathBuf;

use ocellus_trainer::DataError;
use ocellus_trainer::data::{Dataset, IdxDataset, IdxPart, Picture};

/// The classes of Fashion-MNIST, in the order of its labels.
pub const FASHION_MNIST_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// The file name and content of every file of the sample.
const FASHION_MNIST: [(&str, &[u8]); 4] = [
    ("train-images-idx3-ubyte.gz", include_bytes!("../samples/fashion-mnist/train-images-idx3-ubyte.gz")),
    ("train-labels-idx1-ubyte.gz", include_bytes!("../samples/fashion-mnist/train-labels-idx1-ubyte.gz")),
    ("t10k-images-idx3-ubyte.gz", include_bytes!("../samples/fashion-mnist/t10k-images-idx3-ubyte.gz")),
    ("t10k-labels-idx1-ubyte.gz", include_bytes!("../samples/fashion-mnist/t10k-labels-idx1-ubyte.gz")),
];

/// The file name and content of every scene.
const SCENES: [(&str, &[u8]); 6] = [
    ("bus-and-daffodil.jpg", include_bytes!("../samples/scenes/bus-and-daffodil.jpg")),
    ("fish-and-car.jpg", include_bytes!("../samples/scenes/fish-and-car.jpg")),
    ("hammer-and-wrench.jpg", include_bytes!("../samples/scenes/hammer-and-wrench.jpg")),
    ("ladybird-and-daisy.jpg", include_bytes!("../samples/scenes/ladybird-and-daisy.jpg")),
    ("screwdriver.jpg", include_bytes!("../samples/scenes/screwdriver.jpg")),
    ("wrench.jpg", include_bytes!("../samples/scenes/wrench.jpg")),
];

/// Six scenes, 320 pixels wide, with objects that no model that ships has seen; see `models/samples/scenes/README.md`.
///
/// # Errors
/// None, unless the program itself is damaged.
pub fn scenes() -> impl Iterator<Item = Result<Picture, DataError>> {
    SCENES.iter().map(|(name, bytes)| Picture::of_bytes(bytes, name))
}

/// The names of the classes of Fashion-MNIST as a data set wants them.
pub fn fashion_mnist_classes() -> Vec<String> {
    FASHION_MNIST_CLASSES.iter().map(|&c| c.to_owned()).collect()
}

/// The sample of Fashion-MNIST: 3,000 training or 1,000 test pictures of 28 x 28, every class equally often. It is part
/// of the program and needs no file.
///
/// # Errors
/// None, unless the program itself is damaged.
pub fn fashion_mnist(part: IdxPart) -> Result<impl Dataset + use<>, DataError> {
    let (images, labels) = match part {
        IdxPart::Train => (0, 1),
        IdxPart::Test => (2, 3),
    };
    let file = |index: usize| {
        let (name, bytes) = FASHION_MNIST[index];
        (PathBuf::from(name), bytes)
    };
    let ((images_name, images), (labels_name, labels)) = (file(images), file(labels));
    IdxDataset::from_bytes((&images_name, images), (&labels_name, labels), &fashion_mnist_classes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_are_pictures() {
        assert!(scenes().all(|picture| matches!(picture.unwrap().shape(), [212..=320, 320, 3])));
    }

    #[test]
    fn every_class_is_there_equally_often() {
        for (part, each) in [(IdxPart::Train, 300), (IdxPart::Test, 100)] {
            let set = fashion_mnist(part).unwrap();
            assert_eq!((set.len(), set.shape(), set.classes().len()), (10 * each, [28, 28, 1], 10));
            let mut counts = [0; 10];
            (0..set.len()).for_each(|i| counts[set.get(i).unwrap().label] += 1);
            assert_eq!(counts, [each; 10]);
        }
    }
}
