//! One process per data folder: a locked file that names its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::Error;

/// Holds a folder for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("lock");
        let io = Error::io(&path);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(&io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.read_to_string(&mut pid);
                let holder = match pid.trim().parse::<u32>() {
                    Ok(pid) => format!("process {pid}"),
                    Err(_) => "another process".to_owned(),
                };
                return Err(Error::InUse {
                    path: folder.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(why)) => return Err(io(why)),
        }
        file.set_len(0).map_err(&io)?;
        file.rewind().map_err(&io)?;
        writeln!(file, "{}", std::process::id()).map_err(&io)?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing it would not do while a child that is being started still has it open.
        let _ = self.file.unlock();
    }
}
