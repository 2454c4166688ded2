//! What the mouse does after `:mouse on`: the wheel moves the selection, a press selects a row. It
//! never acts.

use super::msg::{Mouse, MouseWhat};
use super::rows::Pane;
use super::{Layer, Model, Screen};
use crate::view::places::{Row, row_at};

/// Takes what the mouse did. Ignored unless it was asked for.
pub(super) fn take(model: &mut Model, mouse: Mouse) {
    if !model.mouse || model.too_small() {
        return;
    }
    let by = match mouse.what {
        MouseWhat::WheelUp => -1,
        MouseWhat::WheelDown => 1,
        MouseWhat::Press => 0,
    };
    match &model.layer {
        None if by != 0 => model.move_by(by),
        None => press(model, mouse),
        Some(Layer::Help | Layer::Explain(_)) => {
            model.scroll = model.scroll.saturating_add_signed(by).min(100);
        }
        // A plan or a menu is answered by keys alone.
        Some(_) => {}
    }
}

fn press(model: &mut Model, mouse: Mouse) {
    let Some(row) = row_at(model, mouse.column, mouse.row) else { return };
    let pane = match row {
        Row::Host(name) => {
            model.selected = Some(name);
            Pane::Hosts
        }
        Row::Vip(ip) => {
            model.vip = Some(ip);
            Pane::Addresses
        }
        Row::Event(at) => {
            model.event_row = at;
            Pane::Newest
        }
    };
    if model.screen == Screen::Overview {
        model.pane = pane;
    }
}
