//! The zip archive that PyTorch has written since 1.6: `NAME/data.pkl` and `NAME/data/KEY`.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::pickle::Pickle;
use super::state_dict::{Storages, tensors};
use crate::checkpoint::Store;

/// Greatest length of the pickle; it holds no numbers of tensors.
const PICKLE: u64 = 64 << 20;

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
}

impl Archive<'_> {
    fn file(&mut self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let name = format!("{}{name}", self.folder);
        let file = self.zip.by_name(&name).map_err(|e| format!("{name}: {e}"))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(|e| format!("{name}: {e}"))?;
        Ok(bytes)
    }
}

impl Storages for Archive<'_> {
    fn bytes(&mut self, key: &str, bytes: usize) -> Result<Vec<u8>, String> {
        self.file(&format!("data/{key}"), bytes as u64)
    }
}

pub fn read(bytes: &[u8]) -> Result<Store, String> {
    let zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("is a damaged zip file: {e}"))?;
    let folder = zip.file_names().flatten().find_map(|n| n.strip_suffix("data.pkl").map(str::to_owned));
    let folder = folder.ok_or("is a zip file without data.pkl, so no PyTorch state dict")?;
    let mut archive = Archive { zip, folder };
    if archive.file("byteorder", 16).is_ok_and(|order| order == b"big") {
        return Err("was written on a machine with another byte order".to_owned());
    }
    let pickle = Pickle::read(&archive.file("data.pkl", PICKLE)?)?;
    tensors(&pickle, &mut archive)
}
