//! The folders of the embedded servers.

use super::children::other_user;
use crate::{Fault, secrets::hex};
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::{User, chown},
};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::{Read, Seek, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

pub struct Folders {
    /// The gateway's own folder: secrets, logs and the lock.
    pub home: PathBuf,
    /// The servers' data, in folders that belong to the servers' user.
    pub state: PathBuf,
    /// The folder of sockets. Its path is short, because a socket's path has 107 bytes at most.
    pub run: PathBuf,
    /// The npm packages, readable by the servers' user.
    pub servers: PathBuf,
    pub user: Option<User>,
}

impl Folders {
    pub fn lay_out(home: &Path, servers: &Path) -> Result<Folders, Fault> {
        let user = other_user()?;
        fs::create_dir_all(home)?;
        fs::set_permissions(home, fs::Permissions::from_mode(if user.is_some() { 0o711 } else { 0o700 }))?;
        let home = home.canonicalize()?;
        let servers = servers
            .canonicalize()
            .map_err(|problem| format!("{}: {problem}; install the servers with `make servers`", servers.display()))?;
        let place = hex(&Sha256::digest(home.as_os_str().as_encoded_bytes()))[..12].to_owned();
        // A private home stays private: data that another user must reach is then kept elsewhere.
        let state = match &user {
            Some(user) if !reachable(&home, user) => PathBuf::from("/var/lib/hestami").join(&place),
            _ => home.clone(),
        };
        let owned = |path: PathBuf| -> Result<PathBuf, Fault> {
            fs::create_dir_all(&path)?;
            if let Some(user) = &user {
                chown(&path, Some(user.uid), Some(user.gid))?;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
            Ok(path)
        };
        if state != home {
            fs::create_dir_all(&state)?;
            fs::set_permissions(&state, fs::Permissions::from_mode(0o711))?;
        }
        let mut run = state.join("run");
        if run.as_os_str().len() > 80 {
            run = std::env::temp_dir().join(format!("hestami-{place}"));
        }
        let servers = match &user {
            Some(user) if !reachable(&servers, user) => copy_servers(&servers, &state)?,
            _ => servers,
        };
        Ok(Folders { home, run: owned(run)?, state, servers, user })
    }

    /// Makes a folder that the servers own.
    pub fn make(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.state.join(name);
        fs::create_dir_all(&path)?;
        self.give(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        Ok(path)
    }

    pub fn give(&self, path: &Path) -> Result<(), Fault> {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
        Ok(())
    }
}

/// Whether another user can walk to a folder and into it.
fn reachable(path: &Path, user: &User) -> bool {
    path.ancestors().all(|folder| {
        let Ok(meta) = fs::metadata(folder) else { return false };
        let mode = meta.mode();
        if meta.uid() == user.uid.as_raw() { mode & 0o100 != 0 } else { mode & 0o001 != 0 }
    })
}

/// Copies the children's programs to a place that the children's user can reach.
fn copy_servers(from: &Path, state: &Path) -> Result<PathBuf, Fault> {
    let to = state.join("servers");
    for package in ["@embedded-postgres", "@cerbos"] {
        copy_tree(&from.join(package), &to.join(package))?;
    }
    Ok(to)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Fault> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            let _ = fs::remove_file(&target);
            std::os::unix::fs::symlink(fs::read_link(&source)?, &target)?;
        } else {
            let known = fs::metadata(&target).is_ok_and(|known| known.len() == entry.metadata().map_or(0, |m| m.len()));
            if !known {
                fs::copy(&source, &target)?;
            }
        }
    }
    Ok(())
}

/// The lock of a data folder, on which one gateway runs at a time.
pub struct Lock {
    _file: Flock<fs::File>,
}

impl Lock {
    pub fn take(home: &Path) -> Result<Lock, Fault> {
        fs::create_dir_all(home)?;
        let path = home.join("lock");
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                file.set_len(0)?;
                file.rewind()?;
                write!(file, "{}", std::process::id())?;
                Ok(Lock { _file: file })
            }
            Err((mut file, _)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Err(format!(
                    "another gateway (process {holder}) runs on the data in {}; stop it, or set HESTAMI_DATA",
                    home.display()
                )
                .into())
            }
        }
    }
}
