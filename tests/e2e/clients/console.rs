use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use super::fake_master::FakeMaster;
use super::terminal::Session;
use crate::support::{Place, Ran};

fn piped(master: &FakeMaster, lines: &str) -> Ran {
    let place = Place::new();
    let mut child = place
        .command(&["console", "--master", &master.address])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A console on a terminal, whose history is in a folder of its own.
fn console(master: &FakeMaster, place: &Place) -> Session {
    let mut command = place.command(&["console", "--master", &master.address]);
    command.env("XDG_STATE_HOME", place.path("state")).env("NO_COLOR", "1");
    let mut session = Session::start(command);
    session.see("`help` lists the commands");
    session.see("cloudai> ");
    session
}

#[test]
fn lines_from_a_pipe_need_no_terminal() {
    let master = FakeMaster::start();
    let ran = piped(
        &master,
        "# a script\n\ntask auto slow -name first -command \"echo 'a b'\"\nmonitor task-1\nlogs task-1\ntasks\nresults\nworkers\n\
         register gpu-7 10.0.0.7\ndrain w1\ndrain w1 undo\nforget gpu-7\nstrategy easy\nstatus\nwhy task-1\ncancel task-1\nhelp",
    );
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "careful\n"), "{}", ran.out);
    for text in [
        "task-1  pending\n",
        "task-1  running on w1\n",
        "one\ncareful\ntwo\ntask-1  completed on w1\n",
        "TASK    NAME   STATUS",
        "gpu-7  registered at 10.0.0.7:50052\n",
        "w1  draining at 127.0.0.1:50052\nw1  active at",
        "gpu-7  lost at",
        "strategy  easy\n",
        "workers   1 total, 1 active\n",
        "It waits: no worker has room now.\n  w1  1 of 4 cores free\n",
        "task-1  cancelled on w1\n",
        "monitor <task_id>",
    ] {
        assert!(ran.out.contains(text), "{text:?} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("cloudai>"), "no prompt: {}", ran.out);
    assert_eq!(master.state.lock().unwrap().submitted[0].command, "echo 'a b'");
}

#[test]
fn what_fails_in_a_script_is_told_and_the_rest_goes_on() {
    let master = FakeMaster::start();
    let ran =
        piped(&master, "statsu\nwhy task-9\ntask auto ok -cpu 65\ntask auto 'ok\nstatus\nexit\nstatus\n");
    assert_eq!(ran.code, Some(1));
    for text in [
        "error: unknown command \"statsu\": did you mean `status`?\n",
        "error: no task is called \"task-9\"\n",
        "error: cpu_cores is 65: expected 0 to 64\n",
        "error: a quote is not closed",
        "error: 4 of 5 commands failed\n",
    ] {
        assert!(ran.err.contains(text), "{text:?} is not in {}", ran.err);
    }
    assert_eq!(ran.out.matches("strategy  ai").count(), 1, "exit ends it: {}", ran.out);
}

#[test]
fn errors_never_end_a_console_and_keys_do_what_they_do_elsewhere() {
    let master = FakeMaster::start();
    let place = Place::new();
    let mut session = console(&master, &place);
    session.press("nonsense\r");
    session.see("error: unknown command \"nonsense\"");
    session.see("cloudai> ");
    session.press("half a line\x03");
    session.see("cloudai> ");
    session.press("task auto stuck\r");
    session.see("task-1  pending");
    session.see("cloudai> ");
    // Tab completes the command, and fetches the id.
    session.press("sta\t\r");
    session.see("strategy  ai");
    session.see("cloudai> ");
    session.press("why ta\t\r");
    session.see("It waits: no worker has room now.");
    session.see("cloudai> ");
    session.press("task auto stuck -na\tx -prio\t3\r");
    session.see("task-2  pending");
    session.see("cloudai> ");
    session.press("\x04");
    assert_eq!(session.end(), Some(0));
    assert!(session.is_as_found(), "the terminal is put back");
    {
        let state = master.state.lock().unwrap();
        assert_eq!((state.submitted[1].name.as_str(), state.submitted[1].priority), ("x", 3));
    }
    let history = std::fs::read_to_string(place.path("state/cloudai/history")).unwrap();
    assert!(history.contains("task auto stuck\n") && history.contains("nonsense\n"), "{history}");
    let mode = std::fs::metadata(place.path("state/cloudai/history")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "commands may hold secrets");
    // The next one remembers.
    let mut session = console(&master, &place);
    session.press("\x1b[A\r");
    session.see("task-3  pending");
    session.press("exit\r");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn any_key_leaves_the_monitor_and_the_terminal_is_put_back() {
    let master = FakeMaster::start();
    let place = Place::new();
    let mut session = console(&master, &place);
    session.press("task auto stuck\r");
    session.see("task-1  pending");
    session.see("cloudai> ");
    // A letter, ctrl-c, and an arrow, of which nothing stays behind.
    for key in ["x", "\x03", "\x1b[A"] {
        session.press("monitor task-1\r");
        session.see("any key leaves");
        session.see("task-1  pending");
        session.press(key);
        session.see("left");
        session.see("cloudai> ");
    }
    session.press("task auto slow\r");
    session.see("task-2  pending");
    session.press("monitor task-2\r");
    session.see("task-2  running on w1");
    session.see("one\r\ncareful\r\ntwo");
    session.see("task-2  completed on w1");
    session.see("cloudai> ");
    session.press("monitor task-9\r");
    session.see("error: no task is called \"task-9\"");
    session.press("quit\r");
    assert_eq!(session.end(), Some(0));
    assert!(session.is_as_found());
}

#[test]
fn a_console_that_is_told_to_end_puts_the_terminal_back() {
    let master = FakeMaster::start();
    for monitoring in [false, true] {
        let place = Place::new();
        let mut session = console(&master, &place);
        if monitoring {
            session.press("task auto stuck\r");
            session.see("pending");
            session.press("monitor task-1\r");
            session.see("any key leaves");
        }
        assert!(!session.is_as_found(), "keys are read one by one");
        let killed = std::process::Command::new("kill").arg(session.id().to_string()).status().unwrap();
        assert!(killed.success());
        assert_eq!(session.end(), Some(130));
        assert!(session.is_as_found());
    }
}

#[test]
fn a_master_that_goes_does_not_end_a_console() {
    let master = FakeMaster::start();
    let place = Place::new();
    let mut session = console(&master, &place);
    session.press("task auto stuck\r");
    session.see("task-1  pending");
    session.press("monitor task-1\r");
    session.see("any key leaves");
    session.see("task-1  pending");
    let address = master.address.clone();
    let master = master.restart(std::time::Duration::from_millis(500));
    session.see(&format!("error: lost the master at {address}"));
    session.see("cloudai> ");
    session.press("why task-1\r");
    session.see("It waits");
    drop(master);
    session.press("status\r");
    session.see("is `cloudai master` running there?");
    session.see("cloudai> ");
    session.press("exit\r");
    assert_eq!(session.end(), Some(0));
}

#[test]
fn colours_on_a_terminal_and_several_lines_pasted() {
    let master = FakeMaster::start();
    let place = Place::new();
    let mut command = place.command(&["console", "--master", &master.address]);
    command.env("XDG_STATE_HOME", place.path("state"));
    let mut session = Session::start(command);
    session.see("\x1b[1;32mcloudai>");
    session.press("\x1b[200~task auto stuck\nwhy task-1\nworkers\x1b[201~\r");
    session.see("task-1  \x1b[33mpending\x1b[0m");
    session.see("It waits");
    session.see("\x1b[32mactive\x1b[0m");
    session.press("nonsense\r");
    session.see("\x1b[31merror:\x1b[0m");
    session.press("\x04");
    assert_eq!(session.end(), Some(0));
}
