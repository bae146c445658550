//! An object store in a local directory.

mod destination;
mod disk;
mod lock;
mod patience;
#[cfg(any(test, feature = "conformance"))]
pub mod power_loss;
mod version;
mod walk;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::{self, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use protocol::ObjectVersion;
use rustix::fs::OFlags;
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::destination::{Destination, OUTSIDE_PREFIX};
use self::disk::Disk;
pub use self::disk::{Change, Witness};
use self::patience::opening;
use self::walk::{Interrupted, Walk};
use super::place::{InputPlace, OpenError, OutputPlace, StoreKind, StorePlace};
use super::{
    ObjectMeta, ObjectReader, ObjectStore, Pin, RESERVED, StoreError, StoreLock, UNFINISHED,
    Upload, check_key, pin,
};
use crate::files;
use crate::place::has_scheme;

/// Folders on this machine.
pub(crate) const KIND: StoreKind = StoreKind {
    form: "DIR",
    parse: |text| {
        let is_folder = !text.is_empty() && !has_scheme(text);
        is_folder.then(|| Ok(place(Path::new(text))))
    },
    input_form: "file:///DIR",
    parse_input: |text| text.strip_prefix(files::SCHEME).map(|it| Ok(input_place(Path::new(it)))),
    parse_output: |text| text.strip_prefix(files::SCHEME).map(|it| Ok(output_place(Path::new(it)))),
};

/// The longest name that usual file systems have.
const NAME_BYTES_MAX: usize = 255;
/// Why a key beyond it, or one whose path is too long, is no key of this store.
const TOO_LONG: &str = "it is too long: 255 bytes for each part, and some 4,000 in all";

/// The file, among the unfinished objects, that is locked while an object is replaced.
const REPLACING: &str = "replacing";

/// How many entries of a listing may wait for the receiver.
const LISTING_CAPACITY: usize = 1024;

/// Objects as files below a directory, with keys as paths.
///
/// It is weaker than a real object store in one way: a file that another program changes
/// in place is seen half-changed, unless it is read with a [`Pin`].
///
/// The version of a file is its inode and modification time. A change in place shows
/// as precisely as the file system keeps that time, some milliseconds on Linux, and
/// only once it is written out if a program makes it through a memory map. A file
/// system that does not keep the numbers of its inodes cannot hold pinned inputs.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: PathBuf,
    read_only: bool,
    /// Whether the folder is that of its users, who find nothing there but their objects.
    is_outside: bool,
    disk: Disk,
}

impl LocalStore {
    /// Opens the store in `root`, which is created if it does not exist.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<LocalStore> {
        LocalStore::open_with(root.into(), true, None)
    }

    /// Opens the store in `root` for objects that nobody needs after a loss of power:
    /// none is flushed to the disk.
    pub fn open_scratch(root: impl Into<PathBuf>) -> io::Result<LocalStore> {
        LocalStore::open_with(root.into(), false, None)
    }

    /// Opens the store in `root`, and tells `witness` of every change on the disk.
    pub fn open_witnessed(
        root: impl Into<PathBuf>,
        witness: Arc<dyn Witness>,
    ) -> io::Result<LocalStore> {
        LocalStore::open_with(root.into(), true, Some(witness))
    }

    fn open_with(
        root: PathBuf,
        flushes: bool,
        witness: Option<Arc<dyn Witness>>,
    ) -> io::Result<LocalStore> {
        let disk = Disk::new(root.clone(), flushes, witness);
        disk.make_root()?;
        fs::create_dir_all(root.join(UNFINISHED))?;
        Ok(LocalStore { root, read_only: false, is_outside: false, disk })
    }

    /// Opens the folder `root` of users, which must exist, to write objects into it. Others
    /// may read them, as the files that any program writes.
    pub fn open_outside(root: impl Into<PathBuf>) -> io::Result<LocalStore> {
        let root = root.into();
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let disk = Disk::new(root.clone(), true, None);
        Ok(LocalStore { root, read_only: false, is_outside: true, disk })
    }

    /// The files below `root` as objects that can only be read.
    #[must_use]
    pub fn read_only(root: impl Into<PathBuf>) -> LocalStore {
        let root = root.into();
        let disk = Disk::new(root.clone(), false, None);
        LocalStore { disk, root, read_only: true, is_outside: false }
    }

    /// Removes the store's own folder, so that only objects remain.
    pub fn leave_only_objects(self) -> io::Result<()> {
        fs::remove_dir(self.root.join(UNFINISHED))
    }

    /// The folder of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &str) -> Result<PathBuf, StoreError> {
        check_key(key)?;
        let first = key.split('/').next().unwrap_or_default();
        if !self.read_only && RESERVED.contains(&first) {
            let reason = "its first part is reserved for the store";
            return Err(StoreError::InvalidKey { key: key.to_owned(), reason });
        }
        if key.split('/').any(|part| part.len() > NAME_BYTES_MAX) {
            return Err(StoreError::InvalidKey { key: key.to_owned(), reason: TOO_LONG });
        }
        Ok(self.root.join(key))
    }

    /// The folder of unfinished objects.
    fn unfinished(&self) -> PathBuf {
        if self.is_outside { self.root.clone() } else { self.root.join(UNFINISHED) }
    }

    /// The path of an object to be written, and the folder for it until it is whole.
    fn destination(&self, key: &str) -> Result<Destination, StoreError> {
        if self.read_only {
            return Err(StoreError::Denied { key: key.to_owned(), source: None });
        }
        Ok(Destination {
            key: key.to_owned(),
            path: self.path(key)?,
            unfinished: self.unfinished(),
            is_outside: self.is_outside,
            disk: self.disk.clone(),
        })
    }
}

/// The place of a store in a folder.
pub(crate) fn place(folder: &Path) -> StorePlace {
    place_opened_by(folder, |folder| LocalStore::open(folder))
}

/// The place of a store in a folder, whose objects are not flushed to the disk.
pub(crate) fn scratch_place(folder: &Path) -> StorePlace {
    place_opened_by(folder, |folder| LocalStore::open_scratch(folder))
}

fn place_opened_by(folder: &Path, open_store: fn(&Path) -> io::Result<LocalStore>) -> StorePlace {
    let text = folder.display().to_string();
    let open = {
        let (place, folder) = (text.clone(), folder.to_owned());
        move || {
            let place = place.clone();
            let opened = open_store(&folder)
                .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
                .map_err(|error| OpenError { place, source: Box::new(error) });
            future::ready(opened).boxed()
        }
    };
    // A folder that does not exist yet is no link to another.
    let whole = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let whole = whole.unwrap_or_else(|_| folder.to_owned());
    let location = files::location(&whole).unwrap_or_else(|| text.clone());
    StorePlace::new(&text, &location, true, open)
}

/// The place of inputs below a folder.
pub(crate) fn input_place(folder: &Path) -> InputPlace {
    let path = folder.display().to_string();
    let text = format!("{}{}/", files::SCHEME, path.trim_end_matches('/'));
    let folder = folder.to_owned();
    let open = move || {
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::read_only(&folder));
        future::ready(Ok(store)).boxed()
    };
    InputPlace::new(StorePlace::new(&text, &text, true, open))
}

/// The place of outputs below a folder.
fn output_place(folder: &Path) -> OutputPlace {
    let path = folder.display().to_string();
    let text = format!("{}{}/", files::SCHEME, path.trim_end_matches('/'));
    let (place, folder) = (text.clone(), folder.to_owned());
    let open = move || {
        let opened = LocalStore::open_outside(&folder)
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
            .map_err(|error| OpenError { place: place.clone(), source: Box::new(error) });
        future::ready(opened).boxed()
    };
    OutputPlace::new(StorePlace::new(&text, &text, true, open))
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn head(&self, key: &str) -> Result<ObjectMeta, StoreError> {
        let (path, key) = (self.path(key)?, key.to_owned());
        blocking(move || {
            let metadata = fs::metadata(&path).map_err(|error| explain(&key, error))?;
            if !metadata.is_file() {
                return Err(StoreError::NotFound { key });
            }
            Ok(ObjectMeta { key, bytes: metadata.len(), version: Some(version::of(&metadata)) })
        })
        .await
    }

    async fn read_pinned(
        &self,
        key: &str,
        pin: Option<&Pin>,
        offset: u64,
        length: usize,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let (path, key, pin) = (self.path(key)?, key.to_owned(), pin.cloned());
        blocking(move || {
            let pin = pin.as_ref();
            let failed = |error| pin::explain(pin, explain(&key, error));
            let file = opening(|| open_object(&path)).map_err(failed)?;
            let rest = file.metadata().map_err(failed)?.len().saturating_sub(offset);
            let length = length.min(usize::try_from(rest).unwrap_or(usize::MAX));
            // Not cleared before: bytes that will be overwritten need not be zeroed.
            buffer.reserve_exact(length.saturating_sub(buffer.len()));
            buffer.resize(length, 0);
            let filled = fill(&file, offset, &mut buffer).map_err(failed)?;
            buffer.truncate(filled);
            version::hold(pin, &key, &file)?;
            Ok(buffer)
        })
        .await
    }

    fn reader(&self, key: &str, pin: Option<&Pin>) -> Option<Box<dyn ObjectReader>> {
        let path = self.path(key).ok()?;
        Some(Box::new(LocalReader { key: key.to_owned(), path, pin: pin.cloned(), file: None }))
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let destination = self.destination(key)?;
        blocking(move || {
            let file = destination.write(&bytes)?;
            destination.replace(file)
        })
        .await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let destination = self.destination(key)?;
        blocking(move || destination.create(&bytes, true)).await
    }

    async fn create_unflushed(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let destination = self.destination(key)?;
        blocking(move || destination.create(&bytes, false)).await
    }

    async fn replace(
        &self,
        key: &str,
        bytes: Bytes,
        expected: &ObjectVersion,
    ) -> Result<ObjectVersion, StoreError> {
        let (destination, expected) = (self.destination(key)?, expected.clone());
        let turns = self.root.join(UNFINISHED).join(REPLACING);
        blocking(move || {
            let failed = |error| explain(&destination.key, error);
            let turn = opening(|| File::create(&turns)).map_err(failed)?;
            turn.lock().map_err(failed)?;
            destination.check_version(&expected)?;
            destination.replace(destination.write(&bytes)?)?;
            let metadata = fs::metadata(&destination.path).map_err(failed)?;
            Ok(version::of(&metadata))
        })
        .await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, StoreError> {
        let destination = self.destination(key)?;
        blocking(move || {
            destination.check_free()?;
            let file = destination.begin()?;
            Ok(Box::new(LocalUpload { destination, file: Some(file) }) as Box<dyn Upload>)
        })
        .await
    }

    async fn check_writable(&self, key: &str) -> Result<(), StoreError> {
        let destination = self.destination(key)?;
        blocking(move || destination.check_writable()).await
    }

    fn list<'a>(&'a self, prefix: &str) -> BoxStream<'a, Result<ObjectMeta, StoreError>> {
        let (folder, name_prefix) = match prefix.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name.to_owned()),
            None => (String::new(), prefix.to_owned()),
        };
        if !folder.is_empty()
            && let Err(error) = check_key(folder.trim_end_matches('/'))
        {
            return stream::iter([Err(error)]).boxed();
        }
        let (tx, rx) = mpsc::channel(LISTING_CAPACITY);
        let root = self.root.clone();
        spawn_blocking(move || {
            let mut walk = Walk { root: &root, tx: &tx, path: Vec::new() };
            if let Err(Interrupted::Broken(error)) = walk.folder(&folder, &name_prefix) {
                let _ = tx.blocking_send(Err(error));
            }
        });
        stream::unfold(rx, |mut rx| async { rx.recv().await.map(|entry| (entry, rx)) }).boxed()
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let destination = self.destination(key)?;
        blocking(move || {
            let removed = destination.disk.remove_file(&destination.path);
            destination.end_removal(removed)
        })
        .await
    }

    async fn remove_leftovers(&self, older_than: Duration) -> Result<u64, StoreError> {
        let (folder, is_outside) = (self.unfinished(), self.is_outside);
        blocking(move || {
            let mut removed = 0;
            let entries = match opening(|| fs::read_dir(&folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(error) => return Err(explain(UNFINISHED, error)),
            };
            let is_unfinished = |name: &OsStr| match is_outside {
                true => name.as_encoded_bytes().starts_with(OUTSIDE_PREFIX.as_bytes()),
                false => name != REPLACING,
            };
            for entry in entries.flatten().filter(|entry| is_unfinished(&entry.file_name())) {
                let unchanged_for = entry.metadata().and_then(|metadata| metadata.modified());
                let unchanged_for = unchanged_for.map(|at| at.elapsed().unwrap_or_default());
                // A file that is gone by now was finished, or removed by another server.
                if unchanged_for.is_ok_and(|age| age >= older_than)
                    && fs::remove_file(entry.path()).is_ok()
                {
                    removed += 1;
                }
            }
            Ok(removed)
        })
        .await
    }

    fn lock(&self) -> Result<Option<StoreLock>, StoreError> {
        lock::lock(&self.root).map(Some)
    }

    async fn free_bytes(&self) -> Result<Option<u64>, StoreError> {
        let root = self.root.clone();
        blocking(move || {
            let file_system = rustix::fs::statvfs(root.as_path())
                .map_err(|error| explain(UNFINISHED, error.into()))?;
            Ok(Some(file_system.f_bavail.saturating_mul(file_system.f_frsize)))
        })
        .await
    }

    async fn delete_prefix(&self, prefix: &str) -> Result<(), StoreError> {
        if let Some(folder) = prefix.strip_suffix('/') {
            let destination = self.destination(folder)?;
            return blocking(move || {
                let removed = destination.disk.remove_folder(&destination.path);
                destination.end_removal(removed)
            })
            .await;
        }
        let mut listing = self.list(prefix);
        while let Some(object) = listing.next().await {
            self.delete(&object?.key).await?;
        }
        Ok(())
    }
}

/// Opens the file of an object. What is no ordinary file is no object: a pipe would make
/// whoever opens it wait for its other end, a device may have no end.
fn open_object(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// A file that is opened on the first read.
struct LocalReader {
    key: String,
    path: PathBuf,
    pin: Option<Pin>,
    file: Option<File>,
}

impl ObjectReader for LocalReader {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => opening(|| open_object(&self.path)),
        };
        let pin = self.pin.as_ref();
        let file = file.map_err(|error| pin::explain(pin, explain(&self.key, error)))?;
        let filled = fill(&file, offset, buffer).map_err(|error| explain(&self.key, error))?;
        version::hold(pin, &self.key, &file)?;
        self.file = Some(file);
        Ok(filled)
    }
}

/// Reads until the buffer is full or the file ends; returns the number of bytes.
fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// An object that is being written into an unfinished file.
struct LocalUpload {
    destination: Destination,
    /// `None` while a write is under way, and after one was interrupted.
    file: Option<NamedTempFile>,
}

#[async_trait]
impl Upload for LocalUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let (key, disk) = (self.destination.key.clone(), self.destination.disk.clone());
        let Some(mut file) = self.file.take() else {
            return Err(interrupted(key));
        };
        self.file = Some(
            blocking(move || {
                disk.write(&mut file, &bytes).map_err(|error| explain(&key, error))?;
                Ok(file)
            })
            .await?,
        );
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        let LocalUpload { destination, file } = *self;
        let Some(file) = file else {
            return Err(interrupted(destination.key));
        };
        blocking(move || destination.replace(file)).await
    }
}

/// The error after a write that was cancelled half-way: the content of the file is
/// unknown.
fn interrupted(key: String) -> StoreError {
    StoreError::Unavailable { key, source: "an earlier write was interrupted".into() }
}

/// The error of the system as a [`StoreError`].
fn explain(key: &str, error: io::Error) -> StoreError {
    let key = key.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            StoreError::NotFound { key }
        }
        io::ErrorKind::AlreadyExists => StoreError::AlreadyExists { key },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StoreError::Denied { key, source: Some(Box::new(error)) }
        }
        io::ErrorKind::InvalidFilename => StoreError::InvalidKey { key, reason: TOO_LONG },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { key },
        _ => StoreError::Unavailable { key, source: Box::new(error) },
    }
}

/// Runs blocking I/O on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(stopped) => {
            Err(StoreError::Unavailable { key: String::new(), source: Box::new(stopped) })
        }
    }
}
