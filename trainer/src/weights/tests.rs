//! Files written here byte by byte, as PyTorch writes them.

use std::io::Write;

use ocellus_graph::Tensor;

use super::*;

/// A dict with one tensor `w` of 2 x 2 numbers that lie transposed in a storage of 5 with one before them, and a number.
fn dict() -> Vec<u8> {
    let text = |s: &str| [&[b'X'][..], &(s.len() as u32).to_le_bytes(), s.as_bytes()].concat();
    let mut out = b"\x80\x02ccollections\nOrderedDict\nq\x00)R(".to_vec();
    out.extend(text("w"));
    out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    out.extend(text("storage"));
    out.extend(b"ctorch\nFloatStorage\n");
    out.extend(text("0"));
    out.extend(text("cpu"));
    out.extend(b"K\x05tQK\x01K\x02K\x02\x86K\x01K\x02\x86\x89h\x00)RtR");
    out.extend(text("steps"));
    out.extend(b"K\x07u.");
    out
}

fn numbers() -> Vec<u8> {
    [9f32, 1.0, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn zip(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("archive/data.pkl", pickle), ("archive/data/0", storage)] {
        zip.start_file(name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn legacy(storage: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    out.extend(b"\x80\x02M\xe9\x03.\x80\x02}X\x06\x00\x00\x00little\x88s.");
    out.extend(dict());
    out.extend(b"\x80\x02]X\x01\x00\x00\x000a.");
    out.extend(5u64.to_le_bytes());
    out.extend(storage);
    out
}

#[test]
fn both_forms_of_state_dicts() {
    let expected = Tensor::of(&[2, 2], vec![1f32, 3.0, 2.0, 4.0]);
    for bytes in [zip(&dict(), &numbers()), legacy(&numbers())] {
        let store = parse_weights(&bytes).unwrap();
        assert_eq!(store.into_iter().collect::<Vec<_>>(), [("w".to_owned(), expected.clone())]);
    }
}

#[test]
fn calls_are_noted_and_never_made() {
    // os.system("exit"): a dict with such a value is read, the value is no tensor.
    let evil = b"\x80\x02}X\x01\x00\x00\x00acos\nsystem\nX\x04\x00\x00\x00exit\x85Rs.";
    assert_eq!(parse_weights(&zip(evil, &[])).unwrap_err(), "holds no tensors");
    let call = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00exit\x85R.";
    assert!(parse_weights(&zip(call, &[])).unwrap_err().contains("no dict of tensors"));
}

#[test]
fn damaged_files_are_refused() {
    let whole = legacy(&numbers());
    for cut in 0..whole.len() {
        assert!(parse_weights(&whole[..cut]).is_err(), "{cut}");
    }
    let short = parse_weights(&zip(&dict(), &numbers()[..16])).unwrap_err();
    assert!(short.contains("\"w\"") && short.contains("shorter"), "{short}");
    // A stride that reaches outside of the storage.
    let mut far = dict();
    let at = far.windows(4).position(|w| w == b"K\x01K\x02").unwrap();
    far[at + 3] = 200;
    assert!(parse_weights(&zip(&far, &numbers())).unwrap_err().contains("do not fit"));
    assert!(parse_weights(b"GIF89a").unwrap_err().contains("neither"));
    for bytes in [&b"\x80\x02h\x05."[..], b"\x80\x02u.", b"\x80\x02(t0.", b"\x80\x02\xff."] {
        assert!(parse_weights(bytes).is_err());
    }
}

#[test]
fn safetensors_are_read_and_checked() {
    let file =
        |header: &str, numbers: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), numbers].concat();
    let header = r#"{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let store = parse_weights(&file(header, &numbers())).unwrap();
    assert_eq!(store["w"], Tensor::vector(&[1f32, 2.0]));
    assert!(parse_weights(&file(header, &numbers()[..8])).unwrap_err().contains("outside"));
    let wrong = header.replace("[2]", "[3]");
    assert!(parse_weights(&file(&wrong, &numbers())).unwrap_err().contains("8 bytes"));
}

#[test]
fn names_of_normalisations_change() {
    let names = ["a.weight", "n.weight", "n.bias", "n.running_mean", "n.running_var", "n.num_batches_tracked"];
    let store = names.iter().map(|n| ((*n).to_owned(), Tensor::vector(&[1f32]))).collect();
    let found: Vec<String> = renamed(store).into_keys().collect();
    assert_eq!(found, ["a.weight", "n.mean", "n.scale", "n.shift", "n.variance"]);
}
