//! Looking after a store: `verify`, `backup`, `restore`. Each is the embedded adapter's, with a bar
//! that shows how far it is.

use std::path::Path;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use parlour_embedded::backup as copy;
use parlour_embedded::verify::{self as check, Stage};

fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style("{msg} [{bar:40}] {pos}/{len} rows"));
    bar.set_message(what);
    bar
}

fn style(look: &str) -> ProgressStyle {
    ProgressStyle::with_template(look).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    let bar = bar.clone();
    move |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    }
}

/// Says what an earlier command left that cannot be taken away. No log is there to say it.
fn stay(stays: &[String]) {
    for said in stays {
        eprintln!("{said}");
    }
}

/// Checks a whole store.
pub(crate) fn verify(dir: &Path) -> anyhow::Result<()> {
    let bar = bar("checking");
    let mut now = Stage::Rows;
    let report = check::verify(dir, &mut |stage, done, of| {
        if stage != now {
            now = stage;
            bar.set_style(style(match stage {
                Stage::Files => "reading files [{bar:40}] {bytes}/{total_bytes}",
                Stage::Rows => "checking [{bar:40}] {pos}/{len} rows",
            }));
        }
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = report?;
    stay(&report.stays);
    for sentence in &report.said {
        println!("{sentence}");
    }
    let left = report.breaches.saturating_sub(report.said.len() as u64);
    if left > 0 {
        println!("and {left} more");
    }
    if report.damaged > 0 && report.rows == 0 {
        println!(
            "{} files, {} damaged; rows were not looked at",
            report.files, report.damaged
        );
    } else {
        println!(
            "{} files, {} damaged; {} rows: {} conversations, {} events, {} outcomes; {} breaches",
            report.files,
            report.damaged,
            report.rows,
            report.conversations,
            report.events,
            report.outcomes,
            report.breaches
        );
    }
    let dir = dir.display();
    if report.damaged > 0 && report.never_used {
        bail!(
            "{dir}: files are damaged, and no batch was ever written to this store, as far as can be \
             told. Nothing was changed. Move {dir}/store away and start the server: it makes a new one"
        );
    }
    if report.damaged > 0 {
        bail!(
            "{dir}: files are damaged. Nothing was changed. Restore the last backup into a new \
             folder and use that: `parlour restore BACKUP DIR`. Look at the disk as well: a file \
             that was written rightly changed on it"
        );
    }
    if report.strays > 0 {
        bail!(
            "{dir}: there is something in the store that is not of it; rows were not checked. Move \
             it away, and run this again"
        );
    }
    if report.breaches > 0 {
        bail!(
            "{dir}: the files are whole, and what is in them is not. Nothing was changed. Restore \
             the last backup that checks out into a new folder, `parlour restore BACKUP DIR`, keep \
             this one, and report it as a fault of the program"
        );
    }
    Ok(())
}

/// Copies a store into one file.
pub(crate) fn backup(dir: &Path, file: &Path) -> anyhow::Result<()> {
    let bar = bar("copying");
    let copied = copy::backup(dir, file, &mut show(&bar));
    bar.finish_and_clear();
    let copied = copied?;
    stay(&copied.stays);
    println!("{} rows are in {}", copied.rows, file.display());
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
