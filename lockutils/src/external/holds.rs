//! How often a process holds a file, and what a fork makes of that.

/// The holds of one file in this process.
///
/// In a forked child the guards of the parent are copies, which let nothing go. Whose a guard is cannot be told: as long as
/// copies are left, it is one of them that ends, and what the child has taken itself stays.
#[derive(Debug, Default)]
pub(super) struct Holds {
    here: u32,
    copies: u32,
}

impl Holds {
    pub(super) fn any(&self) -> bool {
        self.here > 0
    }

    pub(super) fn add(&mut self) {
        self.here += 1;
    }

    /// Once more, if there is one.
    pub(super) fn join(&mut self) -> bool {
        let joins = self.any();
        self.here += u32::from(joins);
        joins
    }

    /// One ends. `false`: it may be a copy, and nothing is to be let go.
    #[must_use]
    pub(super) fn end(&mut self) -> bool {
        let is_copy = self.copies > 0;
        let count = if is_copy { &mut self.copies } else { &mut self.here };
        *count = count.saturating_sub(1);
        !is_copy
    }

    /// In a forked child: all that there are were the parent's.
    pub(super) fn disown(&mut self) {
        self.copies += std::mem::take(&mut self.here);
    }
}
