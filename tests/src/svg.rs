//! A recorded terminal as an animated SVG: frames of cells in, text out. Made from what a program
//! really wrote; no other program or service is needed to show it.
use std::fmt::Write as _;

/// Pixels of a cell.
const WIDE: f32 = 8.4;
const HIGH: f32 = 17.0;
const EDGE: f32 = 10.0;

const PAPER: &str = "#1b1d21";
const INK: &str = "#d6d8dc";
/// The sixteen named colours of a terminal, as a dark palette has them.
const NAMED: [&str; 16] = [
    "#1b1d21", "#e5646c", "#7fbf6a", "#d9b04a", "#6a9fe0", "#c583d6", "#58bcc4", "#d6d8dc",
    "#6b7078", "#f0868c", "#9fd68c", "#eec96b", "#8fbaf0", "#daa4e6", "#7fd4da", "#f2f3f5",
];

/// Letters that look the same, in a row.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    row: u16,
    column: u16,
    cells: u16,
    text: String,
    ink: &'static str,
    paper: &'static str,
    bold: bool,
}

/// A screen at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame(Vec<Run>);

fn color(color: vt100::Color, usual: &'static str) -> &'static str {
    match color {
        vt100::Color::Idx(index) => NAMED.get(usize::from(index)).copied().unwrap_or(usual),
        _ => usual,
    }
}

impl Frame {
    /// What is on the screen now.
    pub fn of(screen: &vt100::Screen) -> Frame {
        let (rows, columns) = screen.size();
        let mut runs: Vec<Run> = Vec::new();
        for row in 0..rows {
            let mut last: Option<Run> = None;
            for column in 0..columns {
                let Some(cell) = screen.cell(row, column) else { continue };
                let (mut ink, mut paper) =
                    (color(cell.fgcolor(), INK), color(cell.bgcolor(), PAPER));
                if cell.inverse() {
                    (ink, paper) = (paper, ink);
                }
                let text = if cell.has_contents() { cell.contents() } else { " " };
                let bold = cell.bold();
                match &mut last {
                    Some(run) if (run.ink, run.paper, run.bold) == (ink, paper, bold) => {
                        run.text.push_str(text);
                        run.cells += 1;
                    }
                    _ => {
                        runs.extend(last.take());
                        let text = text.to_owned();
                        last = Some(Run { row, column, cells: 1, text, ink, paper, bold });
                    }
                }
            }
            runs.extend(last);
        }
        runs.retain(|run| run.paper != PAPER || !run.text.trim().is_empty());
        Frame(runs)
    }

    fn draw(&self, svg: &mut String) {
        for run in &self.0 {
            let (x, y) = (EDGE + WIDE * f32::from(run.column), EDGE + HIGH * f32::from(run.row));
            let width = WIDE * f32::from(run.cells);
            if run.paper != PAPER {
                let paper = run.paper;
                let _ = write!(
                    svg,
                    r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{HIGH}" fill="{paper}"/>"#
                );
            }
            if run.text.trim().is_empty() {
                continue;
            }
            let bold = if run.bold { r#" font-weight="bold""# } else { "" };
            let ink =
                if run.ink == INK { String::new() } else { format!(r#" fill="{}""#, run.ink) };
            let text = run.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let y = y + HIGH * 0.76;
            let _ = write!(
                svg,
                r#"<text x="{x:.1}" y="{y:.1}" textLength="{width:.1}"{ink}{bold}>{text}</text>"#
            );
        }
    }
}

/// The frames one after the other, each for so many seconds, again and again.
pub fn animate(frames: &[(Frame, f32)], (columns, rows): (u16, u16)) -> String {
    let (width, height) =
        (2.0 * EDGE + WIDE * f32::from(columns), 2.0 * EDGE + HIGH * f32::from(rows));
    let total: f32 = frames.iter().map(|(_, seconds)| seconds).sum();
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="ui-monospace,Menlo,Consolas,monospace" font-size="14" fill="{INK}" xml:space="preserve"><style>g{{visibility:hidden}}"#
    );
    let mut from = 0.0;
    for (at, (_, seconds)) in frames.iter().enumerate() {
        let (begin, end) = (from / total * 100.0, (from + seconds) / total * 100.0);
        let _ = write!(
            svg,
            "@keyframes f{at}{{0%,{begin:.3}%{{visibility:hidden}}{begin:.3}%,{end:.3}%{{visibility:visible}}{end:.3}%,100%{{visibility:hidden}}}}#f{at}{{animation:f{at} {total:.1}s step-end infinite}}"
        );
        from += seconds;
    }
    // Whoever shows no animation shows the first frame.
    let _ = write!(
        svg,
        r#"@media (prefers-reduced-motion){{g{{animation:none!important}}#f0{{visibility:visible}}}}</style><rect width="100%" height="100%" rx="6" fill="{PAPER}"/>"#
    );
    for (at, (frame, _)) in frames.iter().enumerate() {
        let _ = write!(svg, "\n<g id=\"f{at}\">");
        frame.draw(&mut svg);
        svg.push_str("</g>");
    }
    svg.push_str("\n</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_become_runs_of_the_same_look() {
        let mut parser = vt100::Parser::new(2, 10, 0);
        parser.process(b"\x1b[7mab\x1b[0m <c>\r\n\x1b[31;1mred\x1b[0m");
        let frame = Frame::of(parser.screen());
        let texts: Vec<&str> = frame.0.iter().map(|run| run.text.trim_end()).collect();
        assert_eq!(texts, ["ab", " <c>", "red"]);
        assert_eq!((frame.0[0].ink, frame.0[0].paper), (PAPER, INK));
        assert_eq!((frame.0[2].ink, frame.0[2].bold, frame.0[2].row), (NAMED[1], true, 1));
        let svg = animate(&[(frame.clone(), 1.0), (frame, 3.0)], (10, 2));
        assert!(svg.contains("&lt;c&gt;") && svg.contains("25.000%"), "{svg}");
        assert_eq!(svg.matches("<g id=").count(), 2);
    }
}
