//! Detection, segmentation and captioning from data to answers, on a few drawn scenes in COCO's format; weights of other
//! tools.

mod common;

use std::path::Path;

use common::*;
use serde_json::json;

/// A few pictures of a bright square or bar on grey, with boxes and sentences; in `root/train` and `root/test`.
fn draw(root: &Path) {
    for part in ["train", "test"] {
        let images = root.join(part).join("images");
        std::fs::create_dir_all(&images).unwrap();
        let (mut listed, mut notes) = (Vec::new(), Vec::new());
        for index in 0..4u32 {
            let (class, width) = (index % 2, if index % 2 == 0 { 30 } else { 60 });
            let (x0, y0) = (10 + 8 * index, 20 + 6 * index);
            let picture = image::RgbImage::from_fn(128, 96, |x, y| {
                let inside = (x0..x0 + width).contains(&x) && (y0..y0 + 30).contains(&y);
                image::Rgb(if inside { [230, 200 * class as u8, 40] } else { [110, 110, 110] })
            });
            let name = format!("{index}.png");
            picture.save(images.join(&name)).unwrap();
            listed.push(json!({ "id": index, "file_name": name, "width": 128, "height": 96 }));
            let polygon = [x0, y0, x0 + width, y0, x0 + width, y0 + 30, x0, y0 + 30];
            notes.push(json!({
                "id": 10 + index, "image_id": index, "category_id": class + 1, "bbox": [x0, y0, width, 30],
                "segmentation": [polygon],
            }));
            let text = ["a red square", "a yellow bar"][class as usize];
            notes.push(json!({ "id": 100 + index, "image_id": index, "caption": text }));
        }
        let categories = json!([{ "id": 1, "name": "square" }, { "id": 2, "name": "bar" }]);
        let file = json!({ "images": listed, "annotations": notes, "categories": categories });
        std::fs::write(root.join(part).join("annotations.json"), file.to_string()).unwrap();
    }
}

#[test]
fn a_detector_from_data_to_boxes() {
    let folder = folder();
    let (root, run) = (folder.path().join("data"), folder.path().join("run"));
    draw(&root);
    let data = format!("coco:{}", root.display());
    let train = ["train", "detector_micro", "--data", &data, "--batch", "4", "--max-steps", "2", "--json", "-o"];
    let mut command: Vec<std::ffi::OsString> = train.iter().map(Into::into).collect();
    command.push(run.clone().into());
    let value = ocellus(&command).ends(0).json();
    assert!(value["loss"].as_f64().unwrap() > 0.0, "{value}");
    let (float, int8, plan) = (run.join("model.onnx"), run.join("int8.onnx"), run.join("int8.plan"));
    ocellus(&arguments!["quantize", &float, "--calibration", &data, "--limit", "4", "-o", &int8]).ends(0);
    ocellus(&arguments!["compile", &int8, "-o", &plan]).ends(0);
    for model in [&float, &plan] {
        let value = ocellus(&arguments!["eval", model, "--data", &data, "--json"]).ends(0).json();
        assert!(value["known"]["map50"].is_f64() && value["known"]["pictures"] == 4, "{value}");
    }
    let (picture, drawn) = (root.join("test/images/0.png"), folder.path().join("drawn.png"));
    let detect = arguments!["detect", &picture, "--model", &plan, "--score", "0.001", "--draw", &drawn, "--json"];
    let value = ocellus(&detect).ends(0).json();
    assert!(value["objects"].is_array() && value["overflow"].is_u64(), "{value}");
    assert_eq!(image::image_dimensions(&drawn).unwrap(), (128, 96));
    let said = ocellus(&arguments!["segment", &picture, "--model", &plan]).ends(1);
    assert!(said.err.contains("does not segment"), "{}", said.err);
}

#[test]
fn a_captioner_from_data_to_a_sentence() {
    let folder = folder();
    let (root, run) = (folder.path().join("data"), folder.path().join("run"));
    draw(&root);
    let data = format!("coco:{}", root.display());
    let train = ["train", "captioner_attention", "--data", &data, "--batch", "4", "--max-steps", "1", "-o"];
    let mut command: Vec<std::ffi::OsString> = train.iter().map(Into::into).collect();
    command.push(run.clone().into());
    ocellus(&command).ends(0);
    let (picture, looked) = (root.join("test/images/1.png"), folder.path().join("looked"));
    let model = run.join("model.onnx");
    let caption = arguments!["caption", &picture, "--model", &model, "--attention", &looked, "--json"];
    let value = ocellus(&caption).ends(0).json();
    let words = value["words"].as_array().unwrap().len();
    assert_eq!(std::fs::read_dir(&looked).unwrap().count(), words, "{value}");
    let value = ocellus(&arguments!["eval", &model, "--data", &data, "--json"]).ends(0).json();
    assert!(value["known"]["bleu4"].is_f64() && value["known"]["objects"].is_f64(), "{value}");
}

#[test]
fn weights_of_another_network_are_refused() {
    let folder = folder();
    let path = folder.path().join("w.safetensors");
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
    std::fs::write(&path, bytes).unwrap();
    let output = folder.path().join("m.onnx");
    let said = ocellus(&arguments!["import", &path, "--arch", "mobilenet_v2", "-o", &output]).ends(1);
    assert!(said.err.contains("classifier.1.bias"), "{}", said.err);
    assert!(!output.exists());
}
