//! What is printed, and written as JSON: tables, as Markdown has them.

use serde::Serialize;

/// Tables, one after the other.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    tables: Vec<Table>,
}

/// One of them.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Report::default()
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    pub(crate) fn print(&self) {
        for table in &self.tables {
            println!("\n{}\n\n{}", table.title, table.text());
        }
    }

    pub(crate) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("JSON")
    }
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Table {
            title: title.into(),
            columns: columns.iter().map(|&column| column.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn text(&self) -> String {
        let width = |at: usize| {
            let cells = self.rows.iter().map(|row| row[at].chars().count());
            cells
                .max()
                .unwrap_or(0)
                .max(self.columns[at].chars().count())
        };
        let widths: Vec<_> = (0..self.columns.len()).map(width).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let padded = cells.map(|(at, (cell, &width))| match at {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
        };
        let dashes = widths.iter().enumerate().map(|(at, &width)| match at {
            0 => "-".repeat(width + 2),
            _ => format!("{}:", "-".repeat(width + 1)),
        });
        let dashes = format!("|{}|", dashes.collect::<Vec<_>>().join("|"));
        let rows = self.rows.iter().map(|row| line(row));
        let lines = [line(&self.columns), dashes].into_iter().chain(rows);
        lines.collect::<Vec<_>>().join("\n")
    }
}
