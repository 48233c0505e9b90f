//! SVG plots: canvas, colours, text. Next: `axis.rs`.
//!
//! Drawn at twice the size at which they are shown, because the plot library's pixels are whole numbers. Text is
//! real text, so its width is not known here: labels are anchored where their length does no harm. Colours are
//! attributes, and a style sheet in each picture replaces them where the reader prefers dark.
#![forbid(unsafe_code)]

pub(crate) mod axis;
mod percentiles;
mod runtime;
mod series;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::decode::Measured;
use super::units;

/// A finished picture.
pub(crate) struct Plot {
    /// Its file name.
    pub(crate) file: String,
    /// How to read it, in a sentence or two.
    pub(crate) reading: &'static str,
    /// The picture.
    pub(crate) svg: String,
}

/// The plots of one run.
pub(super) fn of(run: &Measured<'_>) -> Result<Vec<Plot>> {
    let mut plots = percentiles::of(run)?;
    plots.push(series::of(run)?);
    plots.extend(runtime::of(run)?);
    Ok(plots)
}

/// Drawn pixels for each shown one.
pub(crate) const SCALE: i32 = 2;
/// Width of every picture, as shown.
pub(crate) const WIDTH: i32 = 860;

pub(crate) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x29, 0x33);
pub(crate) const MUTED: RGBColor = RGBColor(0x5c, 0x68, 0x77);
pub(crate) const GRID: RGBColor = RGBColor(0xe4, 0xe9, 0xef);
/// Told apart by people who see colours differently: Okabe and Ito's palette (Color Universal Design, 2008), its
/// yellow left out because it is lost on white.
pub(crate) const SERIES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];
/// What each colour becomes on a dark ground.
const DARK: [(RGBColor, &str); 7] = [
    (PAPER, "#141a21"),
    (INK, "#e6ebf1"),
    (MUTED, "#97a3b1"),
    (GRID, "#2a333d"),
    (SERIES[0], "#4aa8e0"),
    (SERIES[1], "#f0883e"),
    (SERIES[2], "#2bc092"),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Undrawn = DrawingAreaErrorKind<std::io::Error>;
pub(crate) type Drawn = Result<(), Undrawn>;

/// A picture under construction. All lengths are in pixels as shown.
pub(crate) struct Canvas<'a> {
    area: Area<'a>,
}

/// Draws a picture of [`WIDTH`] by `height` with a heading.
pub(crate) fn picture(
    height: i32,
    title: &str,
    subtitle: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String> {
    picture_of((WIDTH, height), title, subtitle, draw)
}

/// Draws a picture of any size with a heading.
pub(crate) fn picture_of(
    (width, height): (i32, i32),
    title: &str,
    subtitle: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<String> {
    let mut svg = String::new();
    let size = ((width * SCALE) as u32, (height * SCALE) as u32);
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    let canvas = Canvas { area };
    let drawn = || {
        canvas.area.fill(&PAPER)?;
        canvas.text(title, (20, 24), 15, INK, Anchor::Start)?;
        canvas.text(subtitle, (20, 42), 12, MUTED, Anchor::Start)?;
        draw(&canvas)?;
        canvas.area.present()
    };
    drawn().map_err(|error| anyhow!("cannot draw `{title}`: {error}"))?;
    drop(canvas);
    let body = svg.find('>').map_or("", |end| &svg[end + 1..]);
    Ok(format!("{}{body}", opening((width, height), title)))
}

/// The opening tag, with a size that scales, a name for screen readers and the style sheet.
fn opening((width, height): (i32, i32), title: &str) -> String {
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let mut dark = String::new();
    for (light, replaced) in DARK {
        let light = hex(light);
        dark.push_str(&format!(".rtbench-plot [fill=\"{light}\"]{{fill:{replaced}}}"));
        dark.push_str(&format!(".rtbench-plot [stroke=\"{light}\"]{{stroke:{replaced}}}"));
    }
    let title = escape(title);
    format!(
        "<svg class=\"rtbench-plot\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{title}\">\n<style>\
         .rtbench-plot text{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}}\
         .rtbench-plot polyline{{stroke-linejoin:round;stroke-linecap:round}}\
         @media (prefers-color-scheme:dark){{{dark}}}</style>",
        width * SCALE,
        height * SCALE,
    )
}

fn escape(text: &str) -> String {
    let text = units::printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Where a text stands from its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Canvas<'_> {
    /// A line of text, centred on its point from top to bottom.
    pub(crate) fn text(
        &self,
        text: &str,
        (x, y): (i32, i32),
        size: i32,
        color: RGBColor,
        anchor: Anchor,
    ) -> Drawn {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        // The library writes a font's size divided by 1.24.
        let size = f64::from(size * SCALE) * 1.24;
        let style = ("sans-serif", size).into_font().color(&color).pos(Pos::new(horizontal, VPos::Center));
        self.area.draw_text(&units::printable(text), &style, (x * SCALE, y * SCALE))
    }

    /// A line through points given in drawn pixels.
    pub(crate) fn path(&self, points: Vec<(i32, i32)>, style: ShapeStyle) -> Drawn {
        if points.len() < 2 {
            return Ok(());
        }
        self.area.draw(&PathElement::new(points, style))
    }

    /// A dot at a point given in drawn pixels.
    pub(crate) fn dot(&self, at: (i32, i32), radius: i32, color: RGBColor) -> Drawn {
        self.area.draw(&Circle::new(at, radius * SCALE, color.filled()))
    }

    /// The ground between two lines of as many points, given in drawn pixels.
    pub(crate) fn band(&self, low: &[(i32, i32)], high: &[(i32, i32)], color: RGBColor) -> Drawn {
        let around: Vec<_> = low.iter().chain(high.iter().rev()).copied().collect();
        self.area.draw(&Polygon::new(around, color.mix(0.22).filled()))
    }

    /// A filled shape with its corners in drawn pixels.
    pub(crate) fn shape(&self, corners: Vec<(i32, i32)>, color: RGBColor) -> Drawn {
        self.area.draw(&Polygon::new(corners, color.filled()))
    }

    /// A level line of dashes at a height in drawn pixels.
    pub(crate) fn dashed(&self, y: i32, (left, right): (i32, i32), style: ShapeStyle) -> Drawn {
        const DASH: i32 = 5 * SCALE;
        let (left, right) = (left * SCALE, right * SCALE);
        for from in (left..right).step_by(3 * DASH as usize / 2) {
            self.path(vec![(from, y), ((from + DASH).min(right), y)], style)?;
        }
        Ok(())
    }

    /// Writes names to the right of a frame, at the ends of its lines and moved apart where they would meet.
    pub(crate) fn names<X, Y>(&self, frame: &axis::Frame<X, Y>, mut names: Vec<Name>) -> Drawn {
        const STEP: i32 = 16 * SCALE;
        let x = frame.right + 16;
        names.sort_by_key(|name| name.y);
        let mut highest = (frame.top + 4) * SCALE;
        for name in &mut names {
            name.y = name.y.max(highest);
            highest = name.y + STEP;
        }
        let mut lowest = (frame.bottom - 4) * SCALE;
        for name in names.iter_mut().rev() {
            name.y = name.y.min(lowest);
            lowest = name.y - STEP;
        }
        for Name { y, color, text, dashed } in names {
            let style = stroke(color, 2.5);
            if dashed {
                self.dashed(y, (x, x + 12), style)?;
            } else {
                self.path(vec![(x * SCALE, y), ((x + 12) * SCALE, y)], style)?;
            }
            self.text(&shortened(&text, 28), (x + 18, y / SCALE), 12, INK, Anchor::Start)?;
        }
        Ok(())
    }
}

/// The name of a line.
pub(crate) struct Name {
    /// Where the line ends, in drawn pixels.
    y: i32,
    color: RGBColor,
    text: String,
    dashed: bool,
}

impl Name {
    pub(crate) fn of_line(y: i32, color: RGBColor, text: &str) -> Self {
        Self { y, color, text: text.to_owned(), dashed: false }
    }
}

/// A line style; `width` as shown.
pub(crate) fn stroke(color: RGBColor, width: f64) -> ShapeStyle {
    color.stroke_width((width * f64::from(SCALE)).round() as u32)
}

/// A line style that lets the ground through.
pub(crate) fn faint(color: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
    color.mix(opacity).stroke_width((width * f64::from(SCALE)).round() as u32)
}

/// `text` in at most `most` characters.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most - 1).collect();
    short.push('\u{2026}');
    short
}
