//! How a lock is to be taken.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::Cancel;
use crate::distributed::Promise;
use crate::internal::Mode;
use crate::limit::Span;
use crate::observe::Label;

/// What the options of a handle have said.
#[derive(Clone)]
pub(super) struct Options {
    /// In one word, which a first use reads as it was written: the flags, and above them the permits of a
    /// semaphore.
    bits: u64,
    pub(super) span: Span,
    pub(super) label: Label,
    /// Kept apart, so that a lock without them is small.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Default)]
pub(super) struct Rare {
    pub(super) prefix: Option<Box<str>>,
    pub(super) path: Option<Box<Path>>,
    pub(super) cancel: Option<Cancel>,
    /// The function that an attribute stands on.
    pub(super) function: Option<&'static str>,
    pub(super) purpose: Option<Arc<str>>,
    pub(super) far: Option<Box<FarOptions>>,
}

/// Of distributed locks.
#[derive(Clone)]
pub(super) struct FarOptions {
    pub(super) identifier: Option<Arc<str>>,
    pub(super) expires: Option<Duration>,
    pub(super) ephemeral: bool,
    pub(super) patterns: Vec<Box<str>>,
    pub(super) required: Vec<Promise>,
}

impl Default for FarOptions {
    fn default() -> Self {
        Self { identifier: None, expires: None, ephemeral: true, patterns: Vec::new(), required: Vec::new() }
    }
}

const READ: u64 = 1;
const PERMIT: u64 = 1 << 1;
const EXTERNAL: u64 = 1 << 2;
const FAIR: u64 = 1 << 3;
const HASHED: u64 = 1 << 4;
const TIMED: u64 = 1 << 5;
const DISTRIBUTED: u64 = 1 << 6;
/// More than this process.
const OUTER: u64 = EXTERNAL | DISTRIBUTED;
const PERMITS: u32 = 32;

#[inline]
fn mode_bits(mode: Mode) -> u64 {
    match mode {
        Mode::Write => 0,
        Mode::Read => READ,
        Mode::Permit(permits) => PERMIT | u64::from(permits) << PERMITS,
    }
}

impl Options {
    #[inline]
    pub(super) fn new(mode: Mode) -> Self {
        Self { bits: mode_bits(mode), span: Span::Unsaid, label: Label::NONE, rare: None }
    }

    #[inline]
    pub(super) fn mode(&self) -> Mode {
        if self.bits & PERMIT != 0 {
            // The upper half of a word.
            return Mode::Permit(u32::try_from(self.bits >> PERMITS).unwrap_or(u32::MAX));
        }
        if self.bits & READ != 0 { Mode::Read } else { Mode::Write }
    }

    #[inline]
    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.bits = self.bits & (OUTER | FAIR | HASHED | TIMED) | mode_bits(mode);
    }

    #[inline]
    pub(super) fn is_external(&self) -> bool {
        self.bits & EXTERNAL != 0
    }

    #[inline]
    pub(super) fn set_external(&mut self) {
        self.bits |= EXTERNAL;
    }

    #[inline]
    pub(super) fn is_distributed(&self) -> bool {
        self.bits & DISTRIBUTED != 0
    }

    #[inline]
    pub(super) fn set_distributed(&mut self) {
        self.bits |= DISTRIBUTED;
    }

    /// Whether this process is all that it is about.
    #[inline]
    pub(super) fn is_internal(&self) -> bool {
        self.bits & OUTER == 0
    }

    #[inline]
    pub(super) fn set_internal(&mut self) {
        self.bits &= !OUTER;
    }

    #[inline]
    pub(super) fn is_fair(&self) -> bool {
        self.bits & FAIR != 0
    }

    #[inline]
    pub(super) fn set_fair(&mut self) {
        self.bits |= FAIR;
    }

    pub(super) fn is_hashed(&self) -> bool {
        self.bits & HASHED != 0
    }

    pub(super) fn set_hashed(&mut self) {
        self.bits |= HASHED;
    }

    #[inline]
    pub(super) fn is_timed(&self) -> bool {
        self.bits & TIMED != 0
    }

    pub(super) fn set_timed(&mut self) {
        self.bits |= TIMED;
    }

    /// An internal lock of the registry's own directory and prefix, and no semaphore.
    #[inline]
    pub(super) fn are_ordinary(&self) -> bool {
        self.bits & (OUTER | PERMIT) == 0 && self.rare.is_none()
    }

    /// Ordinary, and nothing was said at all: alone, and not in strict order.
    #[inline]
    pub(super) fn are_plain(&self) -> bool {
        self.bits == 0 && self.rare.is_none()
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    pub(super) fn prefix(&self) -> Option<&str> {
        self.rare.as_ref()?.prefix.as_deref()
    }

    #[inline]
    pub(super) fn path(&self) -> Option<&Path> {
        self.rare.as_ref()?.path.as_deref()
    }

    pub(super) fn function(&self) -> Option<&'static str> {
        self.rare.as_ref()?.function
    }

    pub(super) fn purpose(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.purpose.as_ref()
    }

    pub(super) fn far(&self) -> Option<&FarOptions> {
        self.rare.as_ref()?.far.as_deref()
    }

    pub(super) fn far_mut(&mut self) -> &mut FarOptions {
        self.rare().far.get_or_insert_default()
    }

    pub(super) fn cancel(&self) -> Option<&Cancel> {
        self.rare.as_ref()?.cancel.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_is_what_was_said_last_and_touches_no_other() {
        let mut options = Options::new(Mode::Permit(u32::MAX));
        assert_eq!(options.mode(), Mode::Permit(u32::MAX));
        options.set_fair();
        options.set_hashed();
        options.set_timed();
        options.set_external();
        options.set_distributed();
        for mode in [Mode::Read, Mode::Permit(7), Mode::Write] {
            options.set_mode(mode);
            assert_eq!(options.mode(), mode);
            assert!(options.is_fair() && options.is_hashed() && options.is_timed());
            assert!(options.is_external() && options.is_distributed() && !options.is_internal());
            assert!(!options.are_ordinary());
        }
        options.set_internal();
        assert!(options.is_internal());
        assert!(options.is_fair() && options.is_hashed() && options.are_ordinary() && !options.are_plain());
        assert!(Options::new(Mode::Write).are_plain() && !Options::new(Mode::Read).are_plain());
        options.rare().cancel = Some(Cancel::new());
        assert!(!options.are_ordinary());
    }
}
