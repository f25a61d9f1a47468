//! A PAM service that knows one password, and the program by which a machine asks it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

pub const USER: &str = "carol";
pub const PASSWORD: &str = "correct horse";

/// Makes the service below `dir` and the program in `pot`, the folder of a gluepot's programs; what the gluepot has to
/// say of it. None: this machine has no PAM.
pub fn check_login(exe: &str, dir: &Path, pot: &Path) -> Option<String> {
    if !Path::new("/lib/x86_64-linux-gnu/libpam.so.0").exists() {
        eprintln!("this machine has no PAM: not tried");
        return None;
    }
    let (module, services) = (dir.join("module"), dir.join("pam.d"));
    let knows = format!(
        "#!/bin/sh\ntest \"$PAM_USER\" = {USER} && test \"$(tr -d '\\0')\" = '{PASSWORD}'\n"
    );
    std::fs::write(&module, knows).unwrap();
    std::fs::set_permissions(&module, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(&services).unwrap();
    let service = format!(
        "auth required pam_exec.so quiet expose_authtok {}\naccount required pam_permit.so\n",
        module.display()
    );
    std::fs::write(services.join("tapioca"), service).unwrap();
    let source = Command::new(exe).arg("check_login").output().unwrap();
    std::fs::write(dir.join("source.c"), source.stdout).unwrap();
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Werror"])
        .arg(format!("-DCONFDIR=\"{}\"", services.display()))
        .arg("-o")
        .arg(pot.join("check_login"))
        .args(["source.c", "-l:libpam.so.0"])
        .current_dir(dir)
        .status();
    assert!(built.unwrap().success());
    Some(format!(
        "[[component]]\nname = \"check_login\"\nprogram = \"check_login\"\nmachines = [\"box\"]\nread = [{services:?}, \"/etc\"]\nexecute = [{module:?}]\n\n"
    ))
}
