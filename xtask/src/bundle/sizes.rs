//! The table of sizes, and the budget.

use anyhow::{Context, Result, ensure};

use super::asset::{Asset, Compressed};

/// The largest size of wasm and JavaScript together, compressed by brotli:
/// a phone with 1.6 Mbit/s downloads it in three quarters of a second.
const BUDGET_BYTES: usize = 240_000;

/// The sizes of the files of a bundle, in bytes.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    extension: String,
    before: usize,
    raw: usize,
    gzip: usize,
    brotli: usize,
}

impl Table {
    /// Adds a file.
    pub(crate) fn add(&mut self, asset: &Asset, compressed: Compressed) {
        self.0.push(Row {
            extension: asset.extension().to_owned(),
            before: asset.len_before(),
            raw: asset.len(),
            gzip: compressed.gzip,
            brotli: compressed.brotli,
        });
    }

    /// One line per file, stored beside the bundle.
    pub(crate) fn to_text(&self) -> String {
        self.0
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} {} {}\n",
                    row.extension, row.before, row.raw, row.gzip, row.brotli
                )
            })
            .collect()
    }

    fn from_text(text: &str) -> Option<Table> {
        let row = |line: &str| {
            let mut words = line.split(' ');
            let extension = words.next()?.to_owned();
            let mut number = || words.next()?.parse().ok();
            Some(Row {
                extension,
                before: number()?,
                raw: number()?,
                gzip: number()?,
                brotli: number()?,
            })
        };
        text.lines().map(row).collect::<Option<_>>().map(Table)
    }

    fn brotli_of(&self, extensions: &[&str]) -> usize {
        self.0
            .iter()
            .filter(|row| extensions.contains(&row.extension.as_str()))
            .map(|row| row.brotli)
            .sum()
    }
}

/// Prints the table that [`Table::to_text`] wrote.
///
/// # Errors
/// If the bundle is over its budget.
pub(crate) fn report(text: &str) -> Result<()> {
    let table = Table::from_text(text).context("the kept sizes cannot be read")?;
    println!("browser bundle, bytes:      built   optimised        gzip      brotli");
    for row in &table.0 {
        println!(
            "  {:<16} {:>14} {:>11} {:>11} {:>11}",
            row.extension, row.before, row.raw, row.gzip, row.brotli
        );
    }
    let bytes = table.brotli_of(&["wasm", "js"]);
    println!("  wasm + js by brotli: {bytes} of at most {BUDGET_BYTES}");
    ensure!(
        bytes <= BUDGET_BYTES,
        "the browser bundle is {} bytes over its budget; look for a new dependency of the crate \
         app (cargo tree -p app --features hydrate) or generic code that is made many times",
        bytes - BUDGET_BYTES
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_table_reads_back() {
        let text = "js 50000 50000 9000 8000\nwasm 900000 500000 200000 141999\n";
        let table = Table::from_text(text).unwrap();
        assert_eq!(table.to_text(), text);
        assert_eq!(table.brotli_of(&["wasm", "js"]), 149_999);
    }

    #[test]
    fn a_bundle_over_its_budget_is_an_error() {
        assert!(report("js 1 1 1 50000\nwasm 1 1 1 190000\ncss 9 9 9 9000\n").is_ok());
        assert!(report("js 1 1 1 50001\nwasm 1 1 1 190000\ncss 9 9 9 9000\n").is_err());
    }
}
