//! The Docker Engine for tests, and an image to go with it. Depends on nothing but the standard library, so that the
//! end-to-end tests can share this file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A small system: a shell and its tools.
pub(crate) const IMAGE: &str = "cloudai-test/busybox:1";

/// The name of the test image, if there is a Docker Engine. If not, this says so, or fails where Docker is required.
/// `scratch` is a folder for what is made on the way.
pub(crate) fn docker_image(scratch: &Path) -> Option<&'static str> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    match MADE.get_or_init(|| make_image(scratch)) {
        Ok(()) => Some(IMAGE),
        Err(reason) => {
            let required = std::env::var("CLOUDAI_TEST_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name.trim() == "docker"), "Docker is required: {reason}");
            println!("skipped: {reason}");
            None
        }
    }
}

/// Runs `docker`, and returns what it prints.
pub(crate) fn docker(arguments: &[&str]) -> String {
    String::from_utf8_lossy(&run(Command::new("docker").args(arguments)).unwrap().stdout).trim().to_owned()
}

fn make_image(scratch: &Path) -> Result<(), String> {
    run(Command::new("docker").arg("version"))?;
    if run(Command::new("docker").args(["image", "inspect", IMAGE])).is_ok() {
        return Ok(());
    }
    let folder = scratch.join(format!("busybox-{}", std::process::id()));
    let root = folder.join("root");
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(root.join("bin")).map_err(problem)?;
    std::fs::create_dir_all(root.join("tmp")).map_err(problem)?;
    let busybox = root.join("bin/busybox");
    std::fs::copy(find_busybox(&folder)?, &busybox).map_err(problem)?;
    let applets = run(Command::new(&busybox).arg("--list"))?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).map_err(problem)?;
    }
    let archive = folder.join("root.tar");
    run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
    run(Command::new("docker").arg("import").arg(&archive).arg(IMAGE))?;
    std::fs::remove_dir_all(&folder).map_err(problem)
}

/// A static busybox: what CLOUDAI_TEST_BUSYBOX names, or what Debian's package holds.
fn find_busybox(folder: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("CLOUDAI_TEST_BUSYBOX") {
        return Ok(path.into());
    }
    let missing = |problem| {
        format!(
            "no static busybox for the test image ({problem}); set CLOUDAI_TEST_BUSYBOX to the path of one"
        )
    };
    run(Command::new("apt-get").args(["download", "-qq", "busybox-static"]).current_dir(folder))
        .map_err(missing)?;
    let entries = std::fs::read_dir(folder).map_err(|error| missing(error.to_string()))?;
    let package = entries
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(|| missing("the package was not downloaded".to_owned()))?;
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(folder.join("package"))).map_err(missing)?;
    let places = ["package/bin/busybox", "package/usr/bin/busybox"].map(|place| folder.join(place));
    places
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| missing("it is not in the package".to_owned()))
}

fn run(command: &mut Command) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
