//! What the documents tell an operator to install is what the tools take.

use std::{fs, path::Path, process::Command};

/// The first block of that language in a document.
fn block(document: &str, language: &str) -> String {
    let (_, block) = document.split_once(&format!("```{language}\n")).expect("a block");
    block.split_once("```").expect("its end").0.to_owned()
}

/// What `systemd-analyze verify` has to say about a unit; none where it is not installed.
fn verified(unit: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kontasks.service");
    fs::write(&file, unit).expect("written");
    let output = Command::new("systemd-analyze").arg("verify").arg(&file).output().ok()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Of the machine's own units it may complain as well.
    Some(said.lines().filter(|line| line.contains("kontasks.service")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn systemd_understands_the_unit_of_the_documents() {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operation.md")).expect("there");
    let unit = block(&document, "ini");
    assert!(unit.contains("\nKillMode=process\n"), "{unit}");
    // Only what is installed can be verified.
    let unit = unit.replace("/usr/local/bin/kontasks", env!("CARGO_BIN_EXE_kontasks"));
    let Some(said) = verified(&unit) else {
        eprintln!("systemd-analyze is not installed here: the unit was not verified");
        return;
    };
    assert_eq!(said, "");
    assert!(verified(&unit.replace("KillMode", "KilMode")).expect("installed").contains("KilMode"), "it would say what it does not know");
}
