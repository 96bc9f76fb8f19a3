//! What was measured, as a table and a picture.

use crate::{ground::root, load::Figures};
use server::Fault;
use std::{fmt::Write, time::Duration};

pub struct Cell {
    pub name: &'static str,
    pub about: &'static str,
    pub in_flight: usize,
    pub gateway: Figures,
    pub peer: Option<Figures>,
    pub limit: Option<Figures>,
}

#[derive(Default)]
pub struct Report {
    cells: Vec<Cell>,
    lines: Vec<String>,
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

impl Cell {
    fn row(&self) -> String {
        let Figures { per_second, p50, p99, cpu } = self.gateway;
        let ratio =
            |other: Option<Figures>| other.map_or("–".to_owned(), |other| format!("{:.2}", per_second / other.per_second));
        let rate = |other: Option<Figures>| other.map_or("–".to_owned(), |other| format!("{:.0}", other.per_second));
        format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} + {:.2} | {} | {} | {} | {} |",
            self.name,
            self.in_flight,
            per_second,
            millis(p50),
            millis(p99),
            cpu.0,
            cpu.1,
            rate(self.peer),
            ratio(self.peer),
            rate(self.limit),
            ratio(self.limit),
        )
    }
}

const HEAD: &str = "| | in flight | a second | p50 ms | p99 ms | CPU ms, gateway + PostgreSQL | peer | × peer | limit | × limit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// Its name, its colour, and its figures.
type Side = (&'static str, &'static str, fn(&Cell) -> Option<Figures>);

impl Report {
    /// Said at once, and kept.
    pub fn cell(&mut self, cell: Cell) {
        if self.cells.is_empty() {
            println!("{HEAD}");
        }
        println!("{}", cell.row());
        self.cells.push(cell);
    }

    pub fn line(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    /// The whole, as Markdown.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut named: Vec<(&str, &str)> = Vec::new();
        for cell in &self.cells {
            if !named.contains(&(cell.name, cell.about)) {
                named.push((cell.name, cell.about));
            }
        }
        for (name, about) in &named {
            let _ = writeln!(text, "- **{name}** {about}");
        }
        let _ = writeln!(text, "\n{HEAD}");
        let mut about = "";
        for cell in &self.cells {
            if cell.name == "R3" && cell.about != about && about.starts_with("50") {
                let _ = writeln!(text, "| {} | | | | | | | | | |", cell.about);
            }
            about = cell.about;
            let _ = writeln!(text, "{}", cell.row());
        }
        text.push('\n');
        for line in &self.lines {
            let _ = writeln!(text, "- {}", line.trim());
        }
        text
    }

    /// Throughput and p99 at each number in flight, beside the peer and the limit.
    pub fn picture(&self) -> String {
        const WIDTH: f64 = 300.0;
        const HEIGHT: f64 = 170.0;
        let mut groups: Vec<(&str, &str, Vec<&Cell>)> = Vec::new();
        for cell in &self.cells {
            match groups.iter_mut().find(|(name, about, _)| *name == cell.name && *about == cell.about) {
                Some((_, _, cells)) => cells.push(cell),
                None => groups.push((cell.name, cell.about, vec![cell])),
            }
        }
        let rows = groups.len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            WIDTH * 2.0 + 120.0,
            rows * (HEIGHT + 60.0) + 40.0
        );
        let sides: [Side; 3] = [
            ("gateway", "#1b6ca8", |cell| Some(cell.gateway)),
            ("peer", "#d1495b", |cell| cell.peer),
            ("limit", "#8d99ae", |cell| cell.limit),
        ];
        for (k, (side, colour, _)) in sides.iter().enumerate() {
            let x = 40.0 + k as f64 * 90.0;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.0}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"20\">{side}</text>",
                x + 16.0
            );
        }
        for (at, (name, about, cells)) in groups.iter().enumerate() {
            let top = 50.0 + at as f64 * (HEIGHT + 60.0);
            let short = about.split(';').next().unwrap_or_default();
            let _ = writeln!(svg, "<text x=\"40\" y=\"{:.0}\" font-weight=\"bold\">{name}: {short}</text>", top - 6.0);
            for (column, unit) in ["requests a second", "p99 ms"].iter().enumerate() {
                let left = 40.0 + column as f64 * (WIDTH + 50.0);
                let value = |figures: Figures| if column == 0 { figures.per_second } else { millis(figures.p99) };
                let most =
                    cells.iter().flat_map(|cell| sides.iter().filter_map(|side| (side.2)(cell))).map(value).fold(0.0, f64::max);
                let _ = writeln!(svg, "<text x=\"{left:.0}\" y=\"{:.0}\" fill=\"#555\">{unit}</text>", top + 10.0);
                let slot = WIDTH / cells.len() as f64;
                for (n, cell) in cells.iter().enumerate() {
                    for (k, (_, colour, figures)) in sides.iter().enumerate() {
                        let Some(figures) = figures(cell) else { continue };
                        let tall = value(figures) / most.max(f64::MIN_POSITIVE) * (HEIGHT - 40.0);
                        let (x, y) = (left + n as f64 * slot + k as f64 * slot / 4.0, top + HEIGHT - 20.0 - tall);
                        let shown = if value(figures) < 10.0 {
                            format!("{:.1}", value(figures))
                        } else {
                            format!("{:.0}", value(figures))
                        };
                        let _ = writeln!(
                            svg,
                            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"/><text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"8\">{shown}</text>",
                            slot / 4.0 - 2.0,
                            y - 2.0
                        );
                    }
                    let x = left + n as f64 * slot;
                    let _ =
                        writeln!(svg, "<text x=\"{x:.0}\" y=\"{:.0}\">{} in flight</text>", top + HEIGHT - 6.0, cell.in_flight);
                }
            }
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The part of the page between two marks is written anew; what people wrote around it stays.
fn between(page: &str, name: &str, text: &str) -> Result<String, Fault> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- end of {name} -->"));
    let missing = || format!("docs/performance.md has no {open}");
    let (before, rest) = page.split_once(&open).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&close).ok_or_else(missing)?;
    Ok(format!("{before}{open}\n{text}{close}{after}"))
}

/// What this machine is.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let of = |text: String, name: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_matches([':', ' ', '\t']).to_owned()))
    };
    let model = of(read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory =
        of(read("/proc/meminfo"), "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok()).unwrap_or_default();
    format!("{cores} cores ({model}), {} GiB; load generator, gateway, PostgreSQL and Cerbos share them.", memory >> 20)
}

pub fn write(report: &Report) -> Result<(), Fault> {
    let picture = "\n![Throughput and p99 beside the peers](performance.svg)\n";
    write_between("bench", &format!("{}\n\n{}{picture}", machine(), report.text()))?;
    std::fs::write(root().join("docs/performance.svg"), report.picture())?;
    Ok(())
}

pub fn write_between(name: &str, text: &str) -> Result<(), Fault> {
    let page = root().join("docs/performance.md");
    std::fs::write(&page, between(&std::fs::read_to_string(&page)?, name, text)?)?;
    Ok(())
}
