//! The quickstart does what it says.

use e2e::{Options, TestApp, file};
use std::process::{Command, Stdio};

/// The ```bash blocks whose first line is `# quickstart`.
fn blocks(markdown: &str) -> Vec<String> {
    let bash = markdown.split("```bash\n").skip(1).filter_map(|rest| rest.split("```").next());
    bash.filter(|block| block.lines().next().is_some_and(|first| first.trim() == "# quickstart"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn its_commands_end_with_a_succeeded_run() {
    let blocks = blocks(&file("docs/quickstart.md"));
    assert!(!blocks.is_empty(), "docs/quickstart.md has no block that begins with `# quickstart`");
    let app = TestApp::start_fresh(Options::default());
    let script = blocks.join("\necho '--- next block'\n");
    let ran = Command::new("bash")
        .args(["-e", "-c", &script])
        .env("PB", &app.base)
        .env("PATCHBAY_SETUP_TOKEN", e2e::SETUP_TOKEN)
        .current_dir(e2e::root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{script}\n{out}\n{err}");
    let last = out.rsplit("--- next block").next().unwrap_or_default();
    assert!(last.contains("succeeded"), "{script}\n{out}\n{err}");
}
