//! Write a report of a simulated comparison into a directory, to look at: `synthetic DIR [KIND]`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::error::Error;
use std::path::Path;

use common::{closed, comparison, open, plan, run, variant};
use plimsoll_report::{TerminalOptions, compose, terminal, write_all};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("which directory?")?;
    let run = match args.next().as_deref() {
        Some("single") => run(plan(vec![variant("sync", false)], vec![open(120.0, 60)])),
        Some("queued") => {
            run(plan(vec![variant("queued", true)], [40.0, 120.0, 220.0].map(|r| open(r, 20)).to_vec()))
        }
        Some("closed") => {
            run(plan(vec![variant("sync", false)], [2, 4, 8, 16].map(|n| closed(n, 20)).to_vec()))
        }
        _ => comparison(),
    };
    std::fs::create_dir_all(&dir)?;
    for path in write_all(&run, Path::new(&dir))? {
        println!("{} {}", path.display(), std::fs::metadata(&path)?.len());
    }
    print!("{}", terminal(&compose(&run), &TerminalOptions { color: false, width: 110 }));
    Ok(())
}
