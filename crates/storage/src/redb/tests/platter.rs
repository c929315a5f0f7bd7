//! `Platter`: a disk that forgets. What was not synchronised when the power goes is there in part, in pieces, in any order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use ::redb::StorageBackend;
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// What is done to a platter, counted in calls that change it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    /// This call fails, and the disk works again afterwards. A sync that fails forgets what it should have written.
    pub(super) fault_at: Option<u64>,
    /// The power goes at this call.
    pub(super) cut_at: Option<u64>,
}

/// The disk under one file, from the start of a process to its end.
#[derive(Debug)]
pub(super) struct Platter {
    path: PathBuf,
    plan: Plan,
    surface: Mutex<Surface>,
}

#[derive(Debug)]
struct Surface {
    /// What reads see.
    current: Vec<u8>,
    /// What is there for good.
    durable: Vec<u8>,
    /// What is on its way, in the order it was written.
    pending: Vec<Change>,
    calls: u64,
    is_cut: bool,
    had_name_when_cut: bool,
    rng: ChaCha12Rng,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Resize(usize),
}

impl Platter {
    /// The disk with the file at `path`, or none yet.
    pub(super) fn new(path: &Path, plan: Plan, seed: u64) -> Arc<Self> {
        let durable = fs::read(path).unwrap_or_default();
        let surface = Surface {
            current: durable.clone(),
            durable,
            pending: Vec::new(),
            calls: 0,
            is_cut: false,
            had_name_when_cut: false,
            rng: ChaCha12Rng::seed_from_u64(seed),
        };
        Arc::new(Self { path: path.into(), plan, surface: Mutex::new(surface) })
    }

    /// The file as redb wants it. Its content is the platter's.
    pub(super) fn file(self: &Arc<Self>, mut file: File) -> io::Result<PlatterFile> {
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        self.surface().current = content;
        Ok(PlatterFile(Arc::clone(self)))
    }

    /// Calls so far that changed something or meant to.
    pub(super) fn calls(&self) -> u64 {
        self.surface().calls
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has the plan been carried out, in part at least?
    pub(super) fn was_disturbed(&self) -> bool {
        let calls = self.calls();
        [self.plan.fault_at, self.plan.cut_at].into_iter().flatten().any(|at| at <= calls)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.surface().is_cut
    }

    /// Was there a file at the path when the power went?
    pub(super) fn had_name_when_cut(&self) -> bool {
        self.surface().had_name_when_cut
    }

    /// Ends it all: leaves at the path what the disk has after the power went, now if it did not go before.
    pub(super) fn cut(&self) {
        let mut surface = self.surface();
        surface.settle();
        lay_down(&self.path, &surface.durable).unwrap();
    }

    fn surface(&self) -> MutexGuard<'_, Surface> {
        self.surface.lock().unwrap()
    }

    /// Makes a change unless the plan has something against it.
    fn change(&self, change: impl FnOnce(&mut Surface)) -> io::Result<()> {
        let mut surface = self.surface();
        if surface.is_cut {
            return Err(io::Error::other("no power"));
        }
        surface.calls += 1;
        if self.plan.cut_at == Some(surface.calls) {
            // What this call would have written may be there in part.
            change(&mut surface);
            surface.is_cut = true;
            surface.had_name_when_cut = self.path.exists();
            return Err(io::Error::other("the power goes"));
        }
        if self.plan.fault_at == Some(surface.calls) {
            return Err(io::Error::other("a bad sector"));
        }
        change(&mut surface);
        Ok(())
    }
}

impl Surface {
    fn write(&mut self, change: Change) {
        change.apply(&mut self.current, |_| true);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable, |_| true);
        }
    }

    /// A sync that the system could not carry out: some of what was on its way is never written, though reads see it.
    fn forget(&mut self) {
        let Self { pending, rng, .. } = self;
        pending.retain(|_| rng.random());
    }

    /// Some of what was on its way arrives, in any order and in pieces. The length of the file is what a file system
    /// keeps in order: it never is that of a later change without the earlier ones, and no write changes it.
    fn settle(&mut self) {
        let (resizes, mut writes): (Vec<_>, Vec<_>) =
            self.pending.drain(..).partition(|change| matches!(change, Change::Resize(_)));
        let kept = self.rng.random_range(0..=resizes.len());
        resizes[..kept].iter().for_each(|resize| resize.apply(&mut self.durable, |_| true));
        let len = self.durable.len();
        // Some crashes keep nearly everything, some nearly nothing, and some keep the order.
        let (arrives, is_whole) = ([0.02, 0.5, 0.98][self.rng.random_range(0..3)], self.rng.random());
        if self.rng.random() {
            writes.shuffle(&mut self.rng);
        }
        for write in writes {
            let rng = &mut self.rng;
            let whole = rng.random_bool(arrives);
            write.apply(&mut self.durable, |_| if is_whole { whole } else { rng.random_bool(arrives) });
        }
        self.durable.truncate(len);
    }
}

impl Change {
    /// Carries out the pieces that arrive, sector by sector.
    fn apply(&self, to: &mut Vec<u8>, mut arrives: impl FnMut(usize) -> bool) {
        match self {
            Self::Resize(len) => {
                if arrives(0) {
                    to.resize(*len, 0);
                }
            }
            Self::Write { offset, data } => {
                let mut start = 0;
                while start < data.len() {
                    // The sector of the disk, not of the write.
                    let end = data.len().min(start + SECTOR - (offset + start) % SECTOR);
                    if arrives(offset + start) {
                        let at = offset + start..offset + end;
                        if to.len() < at.end {
                            to.resize(at.end, 0);
                        }
                        to[at].copy_from_slice(&data[start..end]);
                    }
                    start = end;
                }
            }
        }
    }
}

/// Writes a file in place: a file system may wait for the disk after one was cut short and written anew.
pub(super) fn lay_down(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}

/// A file on a [`Platter`].
#[derive(Debug)]
pub(super) struct PlatterFile(Arc<Platter>);

impl StorageBackend for PlatterFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.surface().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let surface = self.0.surface();
        let start = usize::try_from(offset).unwrap();
        let found = surface.current.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.change(|surface| surface.write(Change::Resize(usize::try_from(len).unwrap())))
    }

    fn sync_data(&self) -> io::Result<()> {
        let faults = self.0.plan.fault_at == Some(self.0.calls() + 1);
        if faults {
            self.0.surface().forget();
        }
        // One that is cut has not happened.
        let is_cut = self.0.plan.cut_at == Some(self.0.calls() + 1);
        self.0.change(|surface| {
            if !is_cut {
                surface.sync();
            }
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (offset, data) = (usize::try_from(offset).unwrap(), data.to_vec());
        self.0.change(|surface| surface.write(Change::Write { offset, data }))
    }

    /// Leaves the file as whoever opens it next on the running system finds it.
    fn close(&self) -> io::Result<()> {
        let surface = self.0.surface();
        if surface.is_cut { Ok(()) } else { lay_down(&self.0.path, &surface.current) }
    }
}
