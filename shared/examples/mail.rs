//! Writes every built-in mail into a directory, to be looked at: `cargo run -p shared --example mail -- DIR`.

#[expect(
    dead_code,
    reason = "only the rules compare mails with what they were made of"
)]
#[path = "../src/mailer/rules/cases.rs"]
mod cases;

use std::error::Error;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: mail DIRECTORY")?;
    fs::create_dir_all(&directory)?;
    for case in cases::all()? {
        let file = Path::new(&directory).join(&case.name);
        fs::write(file.with_extension("html"), &case.mail.html)?;
        let text = format!("Subject: {}\n\n{}", case.mail.subject, case.mail.text);
        fs::write(file.with_extension("txt"), text)?;
    }
    Ok(())
}
