//! What an error of the system says of a file that should be there: nothing, that its disk is gone, or
//! that it is damaged.
//!
//! Promises: an error that nobody thought of is told as damage, and never passed over. Never: a look at
//! the file.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use crate::Error;

/// What an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// It speaks of the process, of its rights, of what it may use, of what this file system cannot do,
    /// or of what only a write can meet: nothing of the file.
    Nothing,
    /// The disk or mount is gone, or does not answer: what is on it may be whole.
    Gone,
    /// The file is damaged.
    Damage,
}

#[cfg(target_os = "linux")]
const NO_MEDIUM: Option<Errno> = Some(Errno::NOMEDIUM);
#[cfg(not(target_os = "linux"))]
const NO_MEDIUM: Option<Errno> = None;

/// Whether the file system does not know how to do what was asked.
pub(crate) fn cannot(number: Errno) -> bool {
    // The last two are one number on Linux and two elsewhere: so this is no pattern.
    [Errno::NOSYS, Errno::OPNOTSUPP, Errno::NOTSUP].contains(&number)
}

/// What this error says.
pub(crate) fn says(why: &io::Error) -> Says {
    let number = Errno::from_io_error(why);
    if number.is_some() && number == NO_MEDIUM {
        return Says::Gone;
    }
    if number.is_some_and(cannot) {
        return Says::Nothing;
    }
    match number {
        Some(
            Errno::MFILE
            | Errno::NFILE
            | Errno::NOMEM
            | Errno::NOBUFS
            | Errno::ACCESS
            | Errno::PERM
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::INTR
            | Errno::AGAIN
            | Errno::ROFS
            | Errno::FBIG
            | Errno::EXIST
            | Errno::INVAL
            | Errno::NOLCK
            | Errno::NAMETOOLONG
            | Errno::BUSY,
        ) => Says::Nothing,
        Some(
            Errno::STALE
            | Errno::TIMEDOUT
            | Errno::NOTCONN
            | Errno::NODEV
            | Errno::NXIO
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::CONNABORTED
            | Errno::CONNREFUSED
            | Errno::CONNRESET
            | Errno::SHUTDOWN,
        ) => Says::Gone,
        Some(_) => Says::Damage,
        None => by_kind(why.kind()),
    }
}

/// What the engine made of an error, without its number.
fn by_kind(kind: ErrorKind) -> Says {
    match kind {
        ErrorKind::OutOfMemory
        | ErrorKind::PermissionDenied
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::Interrupted
        | ErrorKind::WouldBlock
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::FileTooLarge
        | ErrorKind::AlreadyExists
        | ErrorKind::Unsupported
        | ErrorKind::InvalidFilename
        | ErrorKind::ResourceBusy => Says::Nothing,
        ErrorKind::StaleNetworkFileHandle
        | ErrorKind::TimedOut
        | ErrorKind::NotConnected
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset => Says::Gone,
        // So the engine tells of a table that ends before what it should hold, among others.
        _ => Says::Damage,
    }
}

/// What is damaged about a file that could not be read.
pub(crate) fn unread(why: &io::Error) -> String {
    match why.kind() {
        ErrorKind::NotFound => "it is missing".to_owned(),
        _ => format!("it cannot be read: {why}"),
    }
}

/// What the system said of a file of a store that should be there, as an error with its remedy.
pub(crate) fn judged(path: &Path) -> impl Fn(io::Error) -> Error {
    move |why| match says(&why) {
        Says::Nothing => Error::io(path)(why),
        Says::Gone => Error::Gone {
            path: path.to_owned(),
            why,
        },
        Says::Damage => Error::Damaged {
            path: path.to_owned(),
            why: unread(&why),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Says::{Damage, Gone, Nothing};

    #[test]
    fn what_is_not_known_to_say_nothing_of_the_file_is_damage() {
        for (number, said) in [
            (Errno::MFILE, Nothing),
            (Errno::NFILE, Nothing),
            (Errno::NOMEM, Nothing),
            (Errno::NOBUFS, Nothing),
            (Errno::ACCESS, Nothing),
            (Errno::PERM, Nothing),
            (Errno::NOSPC, Nothing),
            (Errno::DQUOT, Nothing),
            (Errno::INTR, Nothing),
            (Errno::AGAIN, Nothing),
            (Errno::ROFS, Nothing),
            (Errno::FBIG, Nothing),
            (Errno::EXIST, Nothing),
            (Errno::INVAL, Nothing),
            (Errno::NOSYS, Nothing),
            (Errno::OPNOTSUPP, Nothing),
            (Errno::NOLCK, Nothing),
            (Errno::NAMETOOLONG, Nothing),
            (Errno::BUSY, Nothing),
            (Errno::STALE, Gone),
            (Errno::TIMEDOUT, Gone),
            (Errno::NOTCONN, Gone),
            (Errno::NODEV, Gone),
            (Errno::NXIO, Gone),
            (Errno::HOSTDOWN, Gone),
            (Errno::HOSTUNREACH, Gone),
            (Errno::IO, Damage),
            (Errno::BADMSG, Damage),
            (Errno::NOENT, Damage),
            (Errno::NOTDIR, Damage),
            (Errno::ISDIR, Damage),
            (Errno::LOOP, Damage),
            (Errno::OVERFLOW, Damage),
        ] {
            let why = io::Error::from_raw_os_error(number.raw_os_error());
            assert_eq!(says(&why), said, "{number:?}: {why}");
        }
        // EUCLEAN, by which ext4, XFS and btrfs tell of damage, and ENOMEDIUM; and a number that nobody
        // has yet.
        #[cfg(target_os = "linux")]
        for (number, said) in [(117, Damage), (123, Gone), (9_999, Damage)] {
            let why = io::Error::from_raw_os_error(number);
            assert_eq!(says(&why), said, "{number}: {why}");
        }
        for (kind, said) in [
            (ErrorKind::OutOfMemory, Nothing),
            (ErrorKind::PermissionDenied, Nothing),
            (ErrorKind::StorageFull, Nothing),
            (ErrorKind::QuotaExceeded, Nothing),
            (ErrorKind::Interrupted, Nothing),
            (ErrorKind::WouldBlock, Nothing),
            (ErrorKind::ReadOnlyFilesystem, Nothing),
            (ErrorKind::FileTooLarge, Nothing),
            (ErrorKind::AlreadyExists, Nothing),
            (ErrorKind::Unsupported, Nothing),
            (ErrorKind::ResourceBusy, Nothing),
            (ErrorKind::StaleNetworkFileHandle, Gone),
            (ErrorKind::TimedOut, Gone),
            (ErrorKind::UnexpectedEof, Damage),
            (ErrorKind::InvalidData, Damage),
            (ErrorKind::InvalidInput, Damage),
            (ErrorKind::NotFound, Damage),
            (ErrorKind::IsADirectory, Damage),
            (ErrorKind::Other, Damage),
        ] {
            assert_eq!(says(&io::Error::new(kind, "so")), said, "{kind:?}");
        }
    }

    #[test]
    fn each_has_its_own_remedy() {
        let said =
            |number: Errno| judged(Path::new("/a/store/answered"))(number.into()).to_string();
        let gone = said(Errno::STALE);
        assert!(
            gone.contains("disk or mount") && !gone.contains("restore"),
            "{gone}"
        );
        let damaged = said(Errno::IO);
        assert!(damaged.contains("parlour restore"), "{damaged}");
        for nothing in [Errno::MFILE, Errno::INVAL].map(said) {
            assert!(
                !nothing.contains("restore") && !nothing.contains("mount"),
                "{nothing}"
            );
        }
    }
}
