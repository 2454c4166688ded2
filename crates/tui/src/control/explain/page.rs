//! Labelled lines of 80 columns.

use crate::view::text::wrap;

/// The columns of a label with what parts it from its text.
const LABEL: usize = 15;

/// The columns of a line.
const WIDTH: usize = 80;

/// A text that grows by rows.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// A line at the margin.
    pub(super) fn head(&mut self, text: &str) {
        for line in wrap(text, WIDTH) {
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    /// A labelled text; nothing when the text is empty.
    pub(super) fn row(&mut self, label: &str, text: &str) {
        self.rows(label, Some(text.to_owned()));
    }

    /// Texts below each other, the first with the label. What stands before a tab keeps its
    /// columns, and the rest is wrapped beside it.
    pub(super) fn rows(&mut self, label: &str, texts: impl IntoIterator<Item = String>) {
        let mut label = label;
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            let (fixed, text) = text.split_once('\t').unwrap_or(("", &text));
            let indent = if fixed.is_empty() { 2 } else { fixed.chars().count() };
            for (number, line) in wrap(text, WIDTH - LABEL - indent).into_iter().enumerate() {
                let before = match (number, fixed) {
                    (0, fixed) => fixed.to_owned(),
                    _ => " ".repeat(indent),
                };
                let line = format!("  {label:<width$}{before}{line}", width = LABEL - 2);
                self.0.push_str(line.trim_end());
                self.0.push('\n');
                label = "";
            }
        }
    }

    /// The whole text, with its line end.
    pub(super) fn text(self) -> String {
        self.0
    }
}
