//! Child processes that cannot outlive this one.

use crate::Fault;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User},
};
use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitStatus},
    sync::mpsc,
    time::Duration,
};

/// Children are told to die when the *thread* that started them ends, so one thread starts them
/// all and lives as long as the process.
#[derive(Clone)]
pub struct Spawner(mpsc::Sender<Order>);

type Order = (Command, Signal, mpsc::Sender<std::io::Result<std::process::Child>>);

impl Spawner {
    pub fn start() -> Result<Spawner, Fault> {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("children".into()).spawn(move || {
            for (mut command, signal, reply) in inbox {
                tie(&mut command, signal);
                let _ = reply.send(command.spawn());
            }
            // Children may live after all senders are gone, and so must this thread.
            loop {
                std::thread::park();
            }
        })?;
        Ok(Spawner(orders))
    }

    /// Starts a child, which gets `signal` when this process dies.
    pub fn spawn(&self, name: &'static str, command: Command, signal: Signal) -> Result<Child, Fault> {
        let (reply, answer) = mpsc::channel();
        self.0.send((command, signal, reply)).map_err(|_| "the children's thread is gone")?;
        let child = answer.recv()?.map_err(|problem| format!("{name} cannot be started: {problem}"))?;
        Ok(Child { name, child })
    }
}

#[expect(unsafe_code, reason = "pre_exec; the closure only makes async-signal-safe calls")]
fn tie(command: &mut Command, signal: Signal) {
    let parent = nix::unistd::getpid();
    // The child has a process group of its own: a Ctrl-C in the terminal reaches the gateway, which stops the children in order.
    command.process_group(0);
    // The closure runs after user and group are set, because setting them would clear the death signal.
    let before_exec = move || {
        #[cfg(target_os = "linux")]
        nix::sys::prctl::set_pdeathsig(signal)?;
        #[cfg(not(target_os = "linux"))]
        let _ = signal;
        // The parent may have died before the call above.
        if nix::unistd::getppid() != parent {
            return Err(std::io::Error::other("the parent is gone"));
        }
        Ok(())
    };
    // SAFETY: prctl and getppid are async-signal-safe, and nothing is allocated on the good path.
    unsafe { command.pre_exec(before_exec) };
}

pub struct Child {
    name: &'static str,
    child: std::process::Child,
}

impl Child {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Asks the child to stop, and kills it if it does not stop in ten seconds.
    pub async fn stop(&mut self, signal: Signal) {
        if self.exited().is_some() {
            return;
        }
        self.signal(signal);
        for _ in 0..200 {
            if self.exited().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tracing::warn!(child = self.name, "did not stop in ten seconds: ending it");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exited().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The user of the children, if this process is root: PostgreSQL refuses to run as root.
pub fn other_user() -> Result<Option<User>, Fault> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)?.filter(|user| !user.uid.is_root()) {
            return Ok(Some(user));
        }
    }
    Err("PostgreSQL refuses to run as root, and there is no other user to run it as (postgres, nobody)".into())
}
