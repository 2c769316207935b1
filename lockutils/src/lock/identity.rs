//! How the name becomes a lock: prefix, directory, registry, file.

use std::sync::atomic::Ordering::Relaxed;

use once_cell::sync::OnceCell;

use super::Lock;
use crate::error::{Error, Kind};
use crate::external::OuterLock;
use crate::holder::Holder;
use crate::internal::Mode;
use crate::limit::Span;
use crate::name;
use crate::registry::{Cell, CellRef, Disagreed, Home, Long, Namespace, Taken};
use crate::text::Text;

impl Lock {
    /// Takes the in-process half if it is free, or a reference to it.
    #[inline]
    pub(super) fn begin(&self) -> Result<Taken, Error> {
        match self.kept.get() {
            Some(cell) => Ok(self.begin_at(cell)),
            None => self.begin_named(),
        }
    }

    #[inline]
    pub(super) fn begin_at(&self, cell: &CellRef) -> Taken {
        match cell.try_hold(self.options.mode(), self.options.is_fair()) {
            Some(hold) => Taken::Held(hold),
            None => Taken::Busy(cell.clone()),
        }
    }

    #[inline(never)]
    pub(super) fn begin_named(&self) -> Result<Taken, Error> {
        self.check_permits()?;
        if !self.used.swap(true, Relaxed) {
            return self.look_up(Some(self.options.mode()));
        }
        self.keep().map(|cell| self.begin_at(cell))
    }

    pub(super) fn check_permits(&self) -> Result<(), Error> {
        if self.options.mode() == Mode::Permit(0) {
            return Err(Kind::ZeroPermits { name: self.full_name() }.into());
        }
        Ok(())
    }

    /// The lock's place in the registry, from now on without a look-up.
    pub(crate) fn keep(&self) -> Result<&CellRef, Error> {
        self.kept.get_or_try_init(|| self.agreed_cell())
    }

    /// A reference to the live lock, which agrees with this handle on the number of permits.
    pub(crate) fn agreed_cell(&self) -> Result<CellRef, Error> {
        self.check_permits()?;
        let cell = self.cell()?;
        cell.agree(Some(self.options.mode())).map_err(|agreed| self.mismatch(&Disagreed(agreed)))?;
        Ok(cell)
    }

    /// A reference to the live lock of this name, made if need be.
    pub(crate) fn cell(&self) -> Result<CellRef, Error> {
        if let Some(cell) = self.kept.get() {
            return Ok(cell.clone());
        }
        match self.look_up(None)? {
            Taken::Busy(cell) => Ok(cell),
            Taken::Held(_) => unreachable!("nothing was to be held"),
        }
    }

    /// Checks the name, finds the directory, and finds or makes the lock.
    pub(super) fn look_up(&self, mode: Option<Mode>) -> Result<Taken, Error> {
        let (home, full) = self.identity()?;
        Namespace::get(&home, &full, mode, self.options.is_fair()).map_err(|agreed| self.mismatch(&agreed))
    }

    pub(super) fn identity(&self) -> Result<(Home, Text), Error> {
        let full = self.identity_name()?;
        let home = self.home()?;
        // Before anybody is waited for here, who may have the lock in a way that there is.
        if self.is_external()?
            && let Some(directory) = home.directory.get()
        {
            directory.mechanism().check(self.share(), &full)?;
        }
        self.check_distributed(&home, &full)?;
        Ok((home, full))
    }

    pub(super) fn identity_name(&self) -> Result<Text, Error> {
        let prefix = self.options.prefix().map_or_else(|| self.locks.prefix(), Ok)?;
        name::checked(prefix, &self.name, self.options.is_hashed()).map_err(|rule| {
            Kind::Name { name: self.name.to_string(), prefix: prefix.to_owned(), rule }.into()
        })
    }

    pub(super) fn home(&self) -> Result<Home, Error> {
        let shared = self.locks.shared();
        match self.options.path() {
            Some(path) => shared.named(path),
            None if self.is_external()? => match self.configured_home()? {
                Some(home) => Ok(home),
                None if self.options.is_external() => {
                    Err(Kind::NoLockPath { name: self.name.to_string() }.into())
                }
                None => Err(Kind::NoBackend { name: self.name.to_string() }.into()),
            },
            None => Ok(shared.main().clone()),
        }
    }

    /// Where the configuration has the files of this lock: those of locks that are distributed for want of an engine may have
    /// a directory of their own.
    fn configured_home(&self) -> Result<Option<Home>, Error> {
        let shared = self.locks.shared();
        // Nothing is settled by a lock that cannot be taken.
        let is_own = !self.options.is_external() && shared.effective()?.backend_path().is_some();
        match if is_own { shared.settled()?.backend_path() } else { None } {
            Some(path) => shared.named(&path).map(Some),
            None => Ok(shared.configured()?.cloned()),
        }
    }

    /// Whether the lock has a file. Where the configuration says that there are none, it must not say otherwise later.
    pub(super) fn is_external(&self) -> Result<bool, Error> {
        let options = &self.options;
        let is_meant = options.is_external()
            || options.is_distributed() && self.locks.shared().has_files_for_engine()?;
        if !is_meant {
            return Ok(false);
        }
        let shared = self.locks.shared();
        Ok(!shared.effective()?.disable_process_locking || !shared.settled()?.disable_process_locking)
    }

    /// Whether an engine has it, and no file beside.
    pub(super) fn is_only_in_engine(&self) -> Result<bool, Error> {
        let options = &self.options;
        let is_meant = options.is_distributed() && !options.is_external();
        Ok(is_meant && !self.locks.shared().has_files_for_engine()?)
    }

    /// The lock's file, if it is external.
    pub(crate) fn file<'a>(&self, cell: &'a Cell) -> Result<Option<&'a OuterLock>, Error> {
        if !self.is_external()? {
            return Ok(None);
        }
        let Some(directory) = cell.home().directory.get() else {
            return Err(Kind::NoLockPath { name: cell.name().to_owned() }.into());
        };
        cell.file_or(|| OuterLock::new(directory, cell.name())).map(Some)
    }

    /// This process, if it holds the lock. To have its in-process half is not enough for an external one.
    pub(super) fn holder_here(&self, cell: &Cell) -> Option<Holder> {
        let lacks_file = self.options.is_external() && cell.file().is_some_and(|file| !file.is_held());
        let lacks_engine =
            self.options.is_distributed() && cell.engine().is_some_and(|engine| !engine.is_held());
        if !cell.raw().is_held() || lacks_file || lacks_engine {
            return None;
        }
        let held = cell.held();
        let place = held.and_then(|held| held.place).map(ToString::to_string);
        let held_for = match held.map_or(Long::Unknown, |held| held.long) {
            Long::Exactly(long) | Long::AtLeast(long) => Some(long),
            Long::Unknown => None,
        };
        Some(Holder::own(place, held_for))
    }

    pub(super) fn mismatch(&self, agreed: &Disagreed) -> Error {
        let asked = if let Mode::Permit(permits) = self.options.mode() { permits } else { 0 };
        Kind::Mismatch { name: self.full_name(), asked, agreed: agreed.0 }.into()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.options.mode()
    }

    /// The full name for a message; as it was written, where it is no valid one.
    pub(crate) fn full_name(&self) -> String {
        self.identity_name().map_or_else(|_| self.name.to_string(), |full| full.to_string())
    }

    pub(crate) fn written_name(&self) -> &str {
        &self.name
    }

    /// The same with the end of its waits settled now, for several waits that share it.
    pub(crate) fn begun(&self) -> Result<Self, Error> {
        let end = self.limit()?.end;
        Ok(self.clone().with(|options| {
            if let Some(end) = end {
                options.span = Span::Until(end);
            }
        }))
    }

    /// A handle to `cell`, which is this lock's.
    pub(crate) fn kept_at(self, cell: CellRef) -> Self {
        Self { kept: OnceCell::with_value(cell), ..self }
    }

    pub(crate) fn name_mut(&mut self) -> &mut Text {
        &mut self.name
    }

    /// Taken by the attribute of this function.
    pub(crate) fn within(self, function: &'static str) -> Self {
        self.with(|options| options.rare().function = Some(function))
    }

    /// Waits as long as it takes, whatever the configuration says.
    pub(crate) fn unlimited(self) -> Self {
        self.with(|options| options.span = Span::Never)
    }

    pub(crate) fn renamed(self, name: Text) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn permits(self, permits: u32) -> Self {
        self.with(|options| options.set_mode(Mode::Permit(permits)))
    }
}
