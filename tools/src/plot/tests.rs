//! Pictures as files.

use resvg::tiny_skia::Pixmap;

use super::drawing::{Drawing, Shape};
use super::*;

/// A figure with every kind of series and axis.
fn figure() -> Figure {
    let wave = |from: f64, by: f64| (0..=60).map(move |x| (f64::from(x), from + by * f64::from(x % 7)));
    let rate = Series::new("requests", Style::Line, Hue::Blue, wave(70_000.0, 1_500.0).collect());
    let mut bets = Series::new(
        "bets",
        Style::Marked,
        Hue::Vermillion,
        vec![(0.0, 0.000_4), (30.0, 0.02), (60.0, 0.003)],
    );
    bets.ranges = vec![(0.000_3, 0.000_5), (0.01, 0.05), (0.002, 0.003_5)];
    let area = |label, hue, from| Series::new(label, Style::Area, hue, wave(from, 2.0).collect());
    let panel = |title: &str, y, series| Panel { title: title.to_owned(), y, series, height: 100.0 };
    Figure {
        title: "All <kinds>".to_owned(),
        x: Axis::linear("time since the start, min:s", Unit::Elapsed),
        panels: vec![
            panel("Rate", Axis::linear("per second", Unit::Number), vec![rate]),
            panel("Latency", Axis::log("latency", Unit::Seconds), vec![bets]),
            panel(
                "Core 0",
                Axis::linear("share", Unit::Percent),
                vec![
                    area("user", Hue::Blue, 20.0),
                    area("system", Hue::Orange, 30.0),
                    area("idle", Hue::Grey, 26.0),
                ],
            ),
            panel(
                "Nothing",
                Axis::linear("nothing", Unit::Bytes),
                vec![Series::new("none", Style::Line, Hue::Sky, vec![])],
            ),
        ],
    }
}

/// Width and height, as a PNG's first chunk has them.
fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

#[test]
fn both_files_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    figure().write(directory.path(), "all").expect("it is written");
    let drawing = layout::draw(&figure());
    let png = fs::read(directory.path().join("all.png")).expect("a picture");
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    assert_eq!(size(&png), (1_800, (2.0 * drawing.height) as u32));
    let svg = fs::read_to_string(directory.path().join("all.svg")).expect("a picture");
    assert!(svg.contains("All &lt;kinds&gt;") && svg.ends_with("</svg>\n"), "{svg}");
    // The letters are there, too, and not only room for them.
    let title = drawing.shapes.iter().find_map(|shape| match shape {
        Shape::Text { at, text, size, .. } if text == "All <kinds>" => Some((*at, *size)),
        _ => None,
    });
    let ((x, y), size) = title.expect("the figure has a title");
    let picture = Pixmap::decode_png(&png).expect("a picture");
    let place = |at: f64| (2.0 * at) as u32;
    let pixels = (place(y - size)..place(y))
        .flat_map(|row| (place(x)..place(x + size)).map(move |column| (column, row)));
    let is_dark = |(column, row)| picture.pixel(column, row).is_some_and(|pixel| pixel.red() < 128);
    assert!(pixels.filter(|at| is_dark(*at)).count() > 20);
}

#[test]
fn a_path_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = directory.path().join("missing");
    let sentence = figure().write(&missing, "all").expect_err("there is no such directory");
    assert!(sentence.starts_with(&format!("{}/all.svg: ", missing.display())), "{sentence}");
}

/// The texts of a drawing, in their order.
fn texts(drawing: &Drawing) -> Vec<&str> {
    let texts = drawing.shapes.iter().filter_map(|shape| match shape {
        Shape::Text { text, .. } => Some(text.as_str()),
        Shape::Line { .. } | Shape::Area { .. } => None,
    });
    texts.collect()
}

#[test]
fn what_is_empty_is_left_out() {
    let drawing = layout::draw(&figure());
    let texts = texts(&drawing);
    assert!(
        texts.contains(&"Core 0") && !texts.contains(&"Nothing") && !texts.contains(&"none"),
        "{texts:?}"
    );
    let nothing = Figure { panels: Vec::new(), ..figure() };
    assert!(self::texts(&layout::draw(&nothing)).contains(&"nothing was measured"));
}

#[test]
fn a_stack_names_its_topmost_first() {
    let drawing = layout::draw(&figure());
    let texts = texts(&drawing);
    let at = |text| texts.iter().position(|found| *found == text).expect("it is there");
    assert!(at("idle") < at("system") && at("system") < at("user"), "{texts:?}");
}

/// Nothing is cut off at an edge, and no line goes out of its picture.
#[test]
fn everything_is_within_the_picture() {
    let drawing = layout::draw(&figure());
    let within =
        |(x, y): &(f64, f64)| (0.0..=drawing.width).contains(x) && (0.0..=drawing.height).contains(y);
    for shape in &drawing.shapes {
        match shape {
            Shape::Line { points, .. } | Shape::Area { points, .. } => {
                assert!(points.iter().all(within), "{shape:?}");
            }
            Shape::Text { at, text, size, anchor, bold, turned, .. } => {
                let width = font::Font::new(*bold).width(text, *size);
                let start = match anchor {
                    drawing::Anchor::Start => 0.0,
                    drawing::Anchor::Middle => -width / 2.0,
                    drawing::Anchor::End => -width,
                };
                let ends = [start, start + width];
                let place = |along: f64| if *turned { (at.0, at.1 - along) } else { (at.0 + along, at.1) };
                assert!(ends.iter().all(|along| within(&place(*along))), "{shape:?}");
            }
        }
    }
}
