//! The table, and scenes of cut-outs that the test draws itself.

use super::*;

#[test]
fn the_table_is_whole() {
    let all: Vec<_> = rows().collect();
    assert_eq!(all.len(), TABLE.lines().filter(|l| !l.starts_with('#')).count());
    let categories = categories();
    assert!(categories.len() >= 12, "{categories:?}");
    for category in &categories {
        let of = |hidden: bool| all.iter().filter(|r| r.0 == category && r.2 == hidden).count();
        assert!(of(false) >= 3 && of(true) >= 1, "{category}: {} seen, {} unseen", of(false), of(true));
    }
    let files: std::collections::BTreeSet<_> = all.iter().map(|r| r.3).collect();
    assert_eq!(files.len(), all.len(), "a file is listed twice");
}

/// Every picture of the table as a small shape of its own colour.
fn drawn() -> (tempfile::TempDir, Arc<Stamps>) {
    let folder = tempfile::tempdir().unwrap();
    for (index, (.., file)) in rows().enumerate() {
        let color = [index as u8, 255 - index as u8, 128];
        let shape = image::RgbaImage::from_fn(20 + index as u32 % 7, 18, |x, y| {
            let inside = (x as i32 - 10).pow(2) + (y as i32 - 9).pow(2) < 80;
            image::Rgba([color[0], color[1], color[2], if inside { 255 } else { 0 }])
        });
        shape.save(folder.path().join(file)).unwrap();
    }
    for name in GROUNDS.concat() {
        let ground = image::RgbImage::from_fn(50, 40, |x, y| image::Rgb([x as u8 * 5, y as u8 * 6, 90]));
        ground.save(folder.path().join(name)).unwrap();
    }
    let stamps = Stamps::open(folder.path()).unwrap();
    (folder, stamps)
}

#[test]
fn scenes_are_reproducible_and_true() {
    let (_folder, stamps) = drawn();
    let mut counts = [0usize; 5];
    for split in [Split::Train, Split::Known, Split::Unseen] {
        let scenes = stamps.scenes(split, 96, 40, 3);
        for index in 0..scenes.len() {
            let scene = scenes.get(index).unwrap();
            assert_eq!(scene, scenes.get(index).unwrap());
            scene.check("scene", scenes.classes().len()).unwrap();
            counts[scene.objects.len()] += 1;
            let labels = scene.labels.as_ref().unwrap();
            for object in &scene.objects {
                let mask = object.mask.as_ref().unwrap();
                assert_eq!(mask.sides(), Some(object.sides));
                let own = |(label, inside): (&u8, &bool)| !inside || *label == object.class as u8 + 1;
                assert!(labels.iter().zip(&mask.pixels()).all(own));
            }
            let area: u64 = scene.objects.iter().filter_map(|o| o.mask.as_ref()).map(|m| m.area()).sum();
            assert_eq!(area, labels.iter().filter(|&&l| l > 0).count() as u64);
            assert!(!scene.captions.is_empty());
        }
        assert!(scenes.get(40).is_err());
    }
    assert!(counts[0] < 5 && counts[1..].iter().all(|&c| c > 3), "{counts:?}");
    let other = stamps.scenes(Split::Train, 96, 1, 4).get(0).unwrap();
    assert_ne!(other, stamps.scenes(Split::Train, 96, 1, 3).get(0).unwrap());
}

#[test]
fn unseen_objects_go_by_category() {
    let (_folder, stamps) = drawn();
    let scenes = stamps.scenes(Split::Unseen, 64, 10, 0);
    let known: std::collections::BTreeSet<String> = categories().iter().map(|c| c.to_owned()).collect();
    let words = ["a", "an", "and", "next", "to", "above", "below", "nothing"];
    for index in 0..10 {
        for word in scenes.get(index).unwrap().captions[0].split(' ') {
            assert!(known.contains(word) || words.contains(&word), "{word}");
        }
    }
}
