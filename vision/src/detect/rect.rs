//! Boxes.

use crate::number::{clamp, greater, lesser};
use crate::prepare::Placement;

/// A box by its sides, in pixels; the pixel at `(0, 0)` reaches from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left side.
    pub x0: f32,
    /// Upper side.
    pub y0: f32,
    /// Right side.
    pub x1: f32,
    /// Lower side.
    pub y1: f32,
}

impl Rect {
    /// Its area; 0 where the sides are in no order.
    pub fn area(&self) -> f32 {
        greater(0.0, self.x1 - self.x0) * greater(0.0, self.y1 - self.y0)
    }

    /// Intersection over union; 0 for two boxes without area.
    pub fn iou(&self, other: &Self) -> f32 {
        let both = Self {
            x0: greater(self.x0, other.x0),
            y0: greater(self.y0, other.y0),
            x1: lesser(self.x1, other.x1),
            y1: lesser(self.y1, other.y1),
        };
        let both = both.area();
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }

    /// The part inside `[0, width] x [0, height]`.
    #[must_use]
    pub fn clipped(&self, width: f32, height: f32) -> Self {
        Self {
            x0: clamp(self.x0, 0.0, width),
            y0: clamp(self.y0, 0.0, height),
            x1: clamp(self.x1, 0.0, width),
            y1: clamp(self.y1, 0.0, height),
        }
    }

    /// From the model's input to the picture, cut at the part of the picture that the model saw.
    #[must_use]
    pub fn to_picture(&self, placement: &Placement) -> Self {
        let used = &placement.picture;
        let (left, top) = (used.x as f32, used.y as f32);
        let (right, bottom) = (left + used.width as f32, top + used.height as f32);
        let ((x0, y0), (x1, y1)) = (placement.to_picture(self.x0, self.y0), placement.to_picture(self.x1, self.y1));
        Self {
            x0: clamp(x0, left, right),
            y0: clamp(y0, top, bottom),
            x1: clamp(x1, left, right),
            y1: clamp(y1, top, bottom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::Fit;

    #[test]
    fn overlaps() {
        let a = Rect { x0: 0.0, y0: 0.0, x1: 2.0, y1: 2.0 };
        let b = Rect { x0: 1.0, y0: 1.0, x1: 3.0, y1: 3.0 };
        assert_eq!((a.iou(&a), a.iou(&b), a.area()), (1.0, 1.0 / 7.0, 4.0));
        assert_eq!(Rect::default().iou(&Rect::default()), 0.0);
        let turned = Rect { x0: 2.0, x1: 0.0, ..a };
        assert_eq!((turned.area(), turned.iou(&a)), (0.0, 0.0));
    }

    #[test]
    fn back_to_the_picture() {
        let placement = Placement::new(640, 480, 320, 320, Fit::Letterbox { fill: 0 });
        let found = Rect { x0: -5.0, y0: 40.0, x1: 160.0, y1: 400.0 }.to_picture(&placement);
        assert_eq!(found, Rect { x0: 0.0, y0: 0.0, x1: 320.0, y1: 480.0 });
    }
}
