//! Throughput and latency against connections and sessions, as SVG files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, Palette,
    Palette99, PathElement, SVGBackend, SeriesLabelPosition, TRANSPARENT, WHITE,
};

use super::Row;
use super::scenario::Axis;
use crate::fault::RunError;
use crate::report::SideReport;

const SIZE: (u32, u32) = (800, 480);

/// A figure of a side.
type Figure = fn(&SideReport) -> f64;

/// What a plot shows: the file, its title, and the figure.
struct Plot {
    file: &'static str,
    title: &'static str,
    axis: Axis,
    figure: Figure,
}

const PLOTS: [Plot; 4] = [
    Plot {
        file: "throughput-by-connections.svg",
        title: "tools/call: operations a second, by connections",
        axis: Axis::Connections,
        figure: |side| side.whole.operations_per_second,
    },
    Plot {
        file: "latency-by-connections.svg",
        title: "tools/call: p50 in ms, by connections",
        axis: Axis::Connections,
        figure: |side| side.whole.p50_ms,
    },
    Plot {
        file: "throughput-by-sessions.svg",
        title: "tools/call, 64 connections: operations a second, by live sessions",
        axis: Axis::Sessions,
        figure: |side| side.whole.operations_per_second,
    },
    Plot {
        file: "latency-by-sessions.svg",
        title: "tools/call, 64 connections: p50 in ms, by live sessions",
        axis: Axis::Sessions,
        figure: |side| side.whole.p50_ms,
    },
];

/// Draws what the rows have points for.
pub(super) fn draw(folder: &Path, rows: &[Row]) -> Result<(), RunError> {
    fs::create_dir_all(folder)?;
    for plot in &PLOTS {
        let lines = lines(plot, rows);
        if lines.values().any(|points| points.len() > 1) {
            let drawn = plot.draw(&folder.join(plot.file), &lines);
            drawn.map_err(|error| RunError::Plot(error.to_string()))?;
        }
    }
    Ok(())
}

/// The points of each side.
fn lines(plot: &Plot, rows: &[Row]) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|row| row.scenario.axis == Some(plot.axis))
    {
        for side in row.report.sides.iter().filter(|side| side.verified > 0) {
            let options = &row.scenario.steps[side.setting].options;
            let place = match plot.axis {
                Axis::Connections => options.connections,
                Axis::Sessions => options.sessions,
            };
            #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 of either")]
            let point = (place.get() as f64, (plot.figure)(side));
            lines.entry(side.kind.to_string()).or_default().push(point);
        }
    }
    lines
}

impl Plot {
    fn draw(
        &self,
        path: &Path,
        lines: &BTreeMap<String, Vec<(f64, f64)>>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let points = || lines.values().flatten();
        let most = points().map(|point| point.0).fold(1.0, f64::max);
        let highest = points()
            .map(|point| point.1)
            .fold(f64::MIN_POSITIVE, f64::max);
        let lowest = points().map(|point| point.1).fold(highest, f64::min);
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(16)
            .x_label_area_size(32)
            .y_label_area_size(72)
            .build_cartesian_2d(
                (1.0..most * 1.2).log_scale(),
                (decade(lowest, f64::floor)..decade(highest, f64::ceil)).log_scale(),
            )?;
        let axis = match self.axis {
            Axis::Connections => "connections",
            Axis::Sessions => "live sessions",
        };
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(axis).light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&|count| format!("{count:.0}"));
        mesh.y_label_formatter(&|figure| figure.to_string());
        mesh.draw()?;
        for (place, (side, points)) in lines.iter().enumerate() {
            let colour = Palette99::pick(place).to_rgba();
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            let legend = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour);
            chart.draw_series(line)?.label(side).legend(legend);
            let dot = |point: &(f64, f64)| Circle::new(*point, 3, colour.filled());
            chart.draw_series(points.iter().map(dot))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .border_style(BLACK)
            .background_style(WHITE)
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// The power of ten next to a figure, so that an axis has labels.
fn decade(figure: f64, round: fn(f64) -> f64) -> f64 {
    10_f64.powf(round(figure.log10()))
}
