//! The two lines at the bottom: what was said or is typed, and which keys are worth knowing here.

use ratatui::text::Line;

use super::STACKED_FROM;
use super::text::{clip, wrap};
use super::theme::{Meaning, Theme};
use crate::app::keys::{self, Action, Group, Place, table};
use crate::app::link::State;
use crate::app::{Layer, Model, Note, Screen, Tone};

/// How many rows a message may take when it is too long for its own.
const MESSAGE_ROWS: usize = 4;

/// The message, the last line of which is on the message line. A reason and its remedy are of no
/// use when they are cut, so a long one lies over the rows above, but never over a box.
pub(super) fn message(model: &Model, theme: Theme) -> Vec<Line<'static>> {
    let width = usize::from(model.size.0);
    if let Some(Layer::Prompt(prompt)) = &model.layer
        && model.note.is_none()
    {
        return vec![Line::raw(clip(&format!(" {}", prompt.shown()), width))];
    }
    let (meaning, label, text) = match &model.note {
        Some(Note { tone: Tone::Error, text, .. }) => (Meaning::Late, " ! ", text.clone()),
        Some(note) => (Meaning::Fine, " ", note.text.clone()),
        // The second line has little room for the reason beside the time of the next try.
        None if !link_words(model).is_empty() => {
            (Meaning::Late, " link: ", link_words(model).to_owned())
        }
        None => match model.view.as_ref().and_then(|view| view.running.as_ref()) {
            Some(running) => {
                (Meaning::Fine, " ", format!("actions wait until plan {} ends", running.plan))
            }
            None => return vec![Line::default()],
        },
    };
    let rows = match model.layer {
        None | Some(Layer::Prompt(_)) => MESSAGE_ROWS.min(usize::from(model.size.1 / 4)),
        Some(_) => 1,
    };
    let (style, room) = (theme.style(meaning), width.saturating_sub(label.len()));
    let text = text.replace('\n', " ");
    let mut lines = if rows > 1 { wrap(&text, room) } else { vec![text] };
    if lines.len() > rows {
        let rest = lines.split_off(rows - 1);
        lines.push(rest.join(" "));
    }
    let blank = " ".repeat(label.len());
    let label = |at: usize| if at == 0 { label } else { &blank };
    let lines = lines.iter().enumerate();
    lines.map(|(at, line)| Line::styled(label(at).to_owned() + &clip(line, room), style)).collect()
}

/// Why there is no link, where an old picture leaves no other room for it.
fn link_words(model: &Model) -> &str {
    match &model.link.state {
        State::Lost { why, .. } if model.view.is_some() => why,
        _ => "",
    }
}

/// The columns of a hint behind others.
fn room(row: &keys::Row) -> usize {
    "  ".len() + row.keys[0].name().len() + " ".len() + row.hint.len()
}

/// The hints, as many as fit.
pub(super) fn hints(model: &Model, width: usize) -> Line<'static> {
    match &model.layer {
        Some(Layer::Dialog(_)) => return Line::raw(" Esc leaves everything as it is"),
        Some(Layer::Prompt(prompt)) => {
            let line = match model.note {
                // The choices of Tab stand on the message line; what is typed must still be seen.
                Some(_) => format!(" {}", prompt.shown()),
                None if prompt.filters => {
                    " Enter keeps the filter  Esc shows all rows again".to_owned()
                }
                None => " Enter runs it  Tab completes  Esc cancels".to_owned(),
            };
            return Line::raw(clip(&line, width));
        }
        Some(Layer::Clusters(_)) => return Line::raw(" j k choose  Enter goes there  Esc closes"),
        Some(Layer::Address(_)) => return Line::raw(" j k choose  Enter plan  Esc closes"),
        Some(Layer::Help | Layer::Explain(_) | Layer::Actions | Layer::Mode | Layer::Faults) => {
            return Line::raw(" Esc closes");
        }
        None => {}
    }
    let off = model.off().is_some();
    let running = model.view.as_ref().is_some_and(|view| view.running.is_some());
    let after = if running { " (the plan goes on without this screen)" } else { "" };
    // There is no room for every action; the menu lists them.
    let narrow = model.size.0 < STACKED_FROM;
    let mut text = String::new();
    if !model.words().is_empty() && model.place() != Place::Detail {
        text.push_str(" Esc all rows");
    } else if model.screen != Screen::Overview || model.zoom {
        text.push_str(" Esc back");
    }
    for row in table(model.demo()).filter(|row| {
        !row.hint.is_empty()
            && row.on.covers(model.place())
            && !(off && row.group == Group::Act)
            && !(narrow && row.group == Group::Act && row.action != Action::Menu)
            && !(model.setup.clusters.len() < 2 && row.action == Action::Clusters)
            && !(model.screen == Screen::Events && row.action == Action::Events)
            && (model.view.is_some()
                || matches!(row.group, Group::Leave)
                || matches!(row.action, Action::Help | Action::Clusters))
    }) {
        let gap = if text.is_empty() { " " } else { "  " };
        let next = format!("{gap}{} {}", row.keys[0].name(), row.hint);
        // How to get out must never be what does not fit.
        let way_out = keys::of(Action::Close).map_or(0, room) + after.len();
        let kept = if row.group == Group::Leave { after.len() } else { way_out };
        if text.len() + next.len() + kept <= width {
            text.push_str(&next);
        }
    }
    if text.ends_with("q quit") {
        text.push_str(after);
    }
    Line::raw(clip(&text, width))
}
