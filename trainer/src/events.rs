//! TensorBoard event files.
//!
//! A file is a sequence of records: length (u64), its masked CRC-32C, the bytes of an `Event` message, their masked
//! CRC-32C; numbers are little-endian.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use crate::error::TrainError;

/// TensorBoard's `Event`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
pub struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The training step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// `brain.Event:2` in the first record of a file.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The values.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

/// TensorBoard's `Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// One entry per curve.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<SummaryValue>,
}

/// TensorBoard's `Summary.Value`.
#[derive(Clone, PartialEq, Message)]
pub struct SummaryValue {
    /// Name of the curve; `/` groups.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The value.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

/// Writes the curves of a run.
pub struct EventWriter {
    file: File,
    path: PathBuf,
}

impl EventWriter {
    /// A new file in `folder`, which is made where it is missing. TensorBoard shows all files of a folder as one run,
    /// so that a resumed run goes on with a file of its own.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(folder: &Path) -> Result<Self, TrainError> {
        std::fs::create_dir_all(folder).map_err(|e| TrainError::file(folder, format!("cannot be made: {e}")))?;
        let seconds = now() as u64;
        let name =
            |n: u32| folder.join(format!("events.out.tfevents.{seconds:010}.ocellus.{}.{n}", std::process::id()));
        let path = (0..).map(name).find(|p| !p.exists()).unwrap_or_else(|| folder.to_owned());
        let file = File::create(&path).map_err(|e| TrainError::file(&path, format!("cannot be made: {e}")))?;
        let mut writer = Self { file, path };
        writer.write(&Event {
            wall_time: now(),
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        })?;
        Ok(writer)
    }

    /// Adds one point to each of these curves.
    ///
    /// # Errors
    /// What the system says.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), TrainError> {
        let value = |&(tag, v): &(&str, f64)| SummaryValue { tag: tag.to_owned(), simple_value: Some(v as f32) };
        let summary = Summary { value: values.iter().map(value).collect() };
        self.write(&Event { wall_time: now(), step: step as i64, summary: Some(summary), file_version: None })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, event: &Event) -> Result<(), TrainError> {
        let written = self.file.write_all(&frame(&event.encode_to_vec()));
        written.map_err(|e| TrainError::file(&self.path, format!("cannot be written: {e}")))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

/// Reads the events of a file's bytes.
///
/// # Errors
/// The offset of the first record that is truncated or whose checksum is wrong, and what is wrong with it.
pub fn read_events(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let (event, tail) = read_record(rest).map_err(|problem| format!("record at byte {at}: {problem}"))?;
        events.push(event);
        rest = tail;
    }
    Ok(events)
}

fn read_record(bytes: &[u8]) -> Result<(Event, &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("truncated length")?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or("truncated checksum of the length")?;
    if u32::from_le_bytes(*sum) != masked(length) {
        return Err("wrong checksum of the length".to_owned());
    }
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
    let (data, rest) = rest.split_at_checked(length).ok_or("truncated data")?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or("truncated checksum of the data")?;
    if u32::from_le_bytes(*sum) != masked(data) {
        return Err("wrong checksum of the data".to_owned());
    }
    Ok((Event::decode(data).map_err(|e| e.to_string())?, rest))
}

const CRC32C: [u32; 256] = crc32c_table();

const fn crc32c_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| (crc >> 8) ^ CRC32C[usize::from(crc as u8 ^ b)])
}

/// The checksum as these files store it: rotated and offset, so that a checksum of checksums is not 0.
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_known_answers() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn records_parse_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(&folder.path().join("run")).unwrap();
        writer.scalars(3, &[("train/loss", 0.5), ("train/accuracy", 0.25)]).unwrap();
        writer.scalars(4, &[("train/loss", 0.125)]).unwrap();
        let second = EventWriter::create(&folder.path().join("run")).unwrap();
        assert_ne!(writer.path(), second.path());
        let bytes = std::fs::read(writer.path()).unwrap();
        let events = read_events(&bytes).unwrap();
        assert_eq!(events.len(), 3);
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(events[1].step, 3);
        let values = &events[1].summary.as_ref().unwrap().value;
        assert_eq!((values[1].tag.as_str(), values[1].simple_value), ("train/accuracy", Some(0.25)));
        assert!(events[2].wall_time > 1.6e9);
        for cut in 1..bytes.len() {
            let read = read_events(&bytes[..cut]);
            assert!(read.is_err() || read.unwrap().len() < 3);
        }
        let mut flipped = bytes.clone();
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        assert!(read_events(&flipped).unwrap_err().contains("wrong checksum of the data"));
    }
}
