//! Looking after a store: `verify`, `backup`, `restore`. Each is the embedded adapter's, with a bar
//! that shows how far it is.

use std::path::Path;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use parlour_embedded::{backup as copy, verify as check};

fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {pos}/{len} rows") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

fn show(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    let bar = bar.clone();
    move |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    }
}

/// Checks a whole store.
pub(crate) fn verify(dir: &Path) -> anyhow::Result<()> {
    let bar = bar("checking");
    let report = check::verify(dir, &mut show(&bar));
    bar.finish_and_clear();
    let report = report?;
    for sentence in &report.said {
        println!("{sentence}");
    }
    println!(
        "{} rows: {} conversations, {} events, {} outcomes; {} breaches",
        report.rows, report.conversations, report.events, report.outcomes, report.breaches
    );
    if report.breaches > 0 {
        bail!(
            "{}: the store is not whole; restore a backup, and report this",
            dir.display()
        );
    }
    Ok(())
}

/// Copies a store into one file.
pub(crate) fn backup(dir: &Path, file: &Path) -> anyhow::Result<()> {
    let bar = bar("copying");
    let rows = copy::backup(dir, file, &mut show(&bar));
    bar.finish_and_clear();
    println!("{} rows are in {}", rows?, file.display());
    Ok(())
}

/// Makes a store of a backup.
pub(crate) fn restore(file: &Path, dir: &Path) -> anyhow::Result<()> {
    let bar = bar("restoring");
    let rows = copy::restore(file, dir, &mut show(&bar));
    bar.finish_and_clear();
    println!(
        "{} rows are in {}; it is another store now, and clients sync from nothing",
        rows?,
        dir.display()
    );
    Ok(())
}
