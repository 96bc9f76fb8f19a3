//! The suggester by hand: `suggest train`, `suggest evaluate`, `suggest guess <text>`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use suggest::{Suggester, examples, figures, ours, train};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let told = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["train"] => trained(),
        ["evaluate"] => evaluated(),
        ["guess", ref text @ ..] if !text.is_empty() => Ok(format!("{:#?}", ours().suggest(&text.join(" ")))),
        _ => Err("suggest train | evaluate | guess <text>".to_owned()),
    };
    match told {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// New weights, and the figures of cross validation.
fn trained() -> Result<String, String> {
    let (given, own) = (examples(&(read("data/train.tsv")? + &read("data/more.tsv")?))?, examples(&read("data/own.tsv")?)?);
    let (linear, crossed) = train(&given, &own);
    fs::write(path("weights.txt"), linear.to_string()).map_err(|error| error.to_string())?;
    Ok(format!("cross validation\n{}", figures(&crossed)))
}

fn evaluated() -> Result<String, String> {
    let examples = examples(&read("data/held.tsv")?)?;
    let answers: Vec<_> = examples.iter().map(|example| (example, ours().suggest(&example.text))).collect();
    Ok(format!("held out\n{}", figures(&answers)))
}

fn read(name: &str) -> Result<String, String> {
    fs::read_to_string(path(name)).map_err(|error| format!("{name}: {error}"))
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
