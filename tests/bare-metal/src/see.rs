//! Everything that `ocellus-vision` can do, behind one C function.

use core::fmt::{self, Write};

use ocellus_vision::caption::{Beam, Search, Step, Vocabulary, search};
use ocellus_vision::detect::{AnchorFree, AnchorLevel, Anchors, Detection, Level, Overlap, suppress};
use ocellus_vision::{
    Best, Color, Fit, Frame, IDENTITY, Map, Pixels, Target, Values, attention_map, classify, normalized, prepare,
    quantized, segment,
};

/// A decoder that gives the bytes it was made of as scores.
struct Echo<'a>(&'a [u8]);

impl Step for Echo<'_> {
    type Error = ();

    fn step(&mut self, beams: &[Beam]) -> Result<(), ()> {
        if beams.is_empty() { Err(()) } else { Ok(()) }
    }

    fn scores(&self, _: usize) -> Values<'_> {
        Values::I8 { bytes: self.0, scale: 0.5, zero_point: 0 }
    }
}

/// Counts what is written.
struct Counter(i32);

impl Write for Counter {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0 = self.0.wrapping_add(s.len() as i32);
        Ok(())
    }
}

/// Prepares a picture of any format, and decodes any bytes as every kind of answer.
pub fn see(bytes: &[u8], out: &mut [u8], sizes: [u32; 4], kind: u32) -> i32 {
    let [width, height, rows, columns] = sizes;
    let pixels = match kind & 7 {
        0 => Pixels::Rgb(bytes),
        1 => Pixels::Bgr(bytes),
        2 => Pixels::Rgba(bytes),
        3 => Pixels::Bgra(bytes),
        4 => Pixels::Grey(bytes),
        5 => Pixels::Yuyv(bytes),
        _ => Pixels::Nv12 { luma: bytes, chroma: bytes },
    };
    let fit = [Fit::Stretch, Fit::Letterbox { fill: 114 }, Fit::Crop].get(kind as usize & 3).copied();
    let target = Target { height: rows, width: columns, color: Color::Bgr, fit: fit.unwrap_or(Fit::Stretch) };
    let Ok(frame) = Frame::new(width, height, width as usize * 4, pixels) else { return 1 };
    let Ok(placement) = prepare(&frame, &target, &[IDENTITY; 3], out) else { return 2 };
    let table = quantized(&normalized(0.5, 0.25), 0.02, 3);
    let mut total = table.iter().fold(0i32, |t, &v| t.wrapping_add(i32::from(v)));

    let values = Values::I8 { bytes, scale: 0.1, zero_point: 2 };
    let (rows, columns) = (rows as usize, columns as usize);
    let map = Map { values, height: rows, width: columns, channels: 8, interleaved: kind & 8 > 0, start: 0 };
    total = total.wrapping_add(classify::top::<5>(values).len() as i32);

    let mut found = Best::<Detection, 32>::new();
    let boxes = Map { values: Values::F32Bytes(bytes), ..map };
    let input = [rows as f32, columns as f32];
    AnchorFree { bins: 2, threshold: 0.3, input }.candidates(&Level { scores: map, boxes, stride: 8.0 }, &mut found);
    let anchors = [[8.0, 16.0], [16.0, 8.0]];
    let level = AnchorLevel { scores: map, boxes, stride: 8.0, anchors: &anchors };
    Anchors { center_variance: 0.1, size_variance: 0.2, threshold: 0.3, input }.candidates(&level, &mut found);
    let mut kept = heapless::Vec::<Detection, 8>::new();
    for rule in [Overlap::Drop { iou: 0.5 }, Overlap::Linear { iou: 0.5 }, Overlap::Gaussian { sigma: 0.5 }] {
        total = total.wrapping_add(suppress(&found, rule, kind & 16 > 0, 0.1, &mut kept) as i32);
        let picture = |d: &Detection| d.rect.to_picture(&placement).area() as i32;
        total = total.wrapping_add(kept.iter().map(picture).fold(0, i32::wrapping_add));
    }

    let input = [sizes[2], sizes[3]];
    let mut areas = [0u32; 8];
    let whole = segment::labels(&map, out) | segment::picture_labels(&map, &placement, input, columns, out);
    segment::areas(out, &mut areas);
    total = total.wrapping_add(segment::runs(out).count() as i32).wrapping_add(i32::from(whole));
    total = total.wrapping_add(i32::from(attention_map(&map, &placement, input, columns, out)));

    let rules = Search { start: 0, end: 1, limit: 10, penalty: 0.7 };
    let Ok(caption) = search::<_, 3, 12>(&mut Echo(bytes), &rules) else { return 3 };
    let words = core::str::from_utf8(bytes).unwrap_or("a\nb");
    let vocabulary = Vocabulary::new(words);
    let mut counter = Counter(0);
    let written = vocabulary.write(&caption.words, &mut counter);
    let known = vocabulary.find("goat").map_or(0, i32::from);
    total.wrapping_add(counter.0).wrapping_add(i32::from(written.is_ok())).wrapping_add(known)
}
