//! What is shown when nothing else fits.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::SIZE_MIN;

/// The needed and the present size.
pub(super) fn lines(area: Rect) -> Vec<Line<'static>> {
    vec![
        Line::raw("too small"),
        Line::raw(format!("needs {}x{}", SIZE_MIN.0, SIZE_MIN.1)),
        Line::raw(format!("has {}x{}", area.width, area.height)),
        Line::raw("q quits"),
    ]
}
