//! A drawing as SVG 1.1.

use std::fmt::Write as _;

use super::drawing::{Anchor, Colour, Drawing, Point, Shape};

/// The drawing's text.
pub(super) fn text(drawing: &Drawing) -> String {
    let Drawing { title, width, height, shapes } = drawing;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" font-family=\"'DejaVu Sans', Verdana, sans-serif\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        escaped(title)
    );
    shapes.iter().for_each(|shape| write_shape(&mut out, shape));
    out.push_str("</svg>\n");
    out
}

fn write_shape(out: &mut String, shape: &Shape) {
    // A string takes any text.
    let _ = match shape {
        Shape::Line { points, colour, width, dashes } => {
            let dashes: Vec<String> = dashes.iter().map(f64::to_string).collect();
            let dashes = match dashes.is_empty() {
                true => String::new(),
                false => format!(" stroke-dasharray=\"{}\"", dashes.join(" ")),
            };
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\" \
                 stroke-linejoin=\"round\"{dashes}/>",
                places(points),
                hex(*colour)
            )
        }
        Shape::Area { points, colour } => {
            writeln!(out, "<polygon points=\"{}\" fill=\"{}\"/>", places(points), hex(*colour))
        }
        Shape::Text { at: (x, y), text, size, anchor, colour, bold, turned } => {
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let weight = if *bold { " font-weight=\"bold\"" } else { "" };
            let turn =
                if *turned { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
            writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" \
                 fill=\"{}\"{weight}{turn}>{}</text>",
                hex(*colour),
                escaped(text)
            )
        }
    };
}

fn places(points: &[Point]) -> String {
    let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    places.join(" ")
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
