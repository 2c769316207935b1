//! Short strings that live where they are written.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::ops::Deref;

/// How many bytes need no allocation.
const INLINE: usize = 64;

/// A string that needs no allocation up to 64 bytes.
///
/// A short one is made, hashed and compared by words, never byte by byte: what was written in one size and is
/// read in another right after costs more than the whole look-up of a name.
pub(crate) enum Text {
    Inline(Short),
    /// Longer than [`INLINE`], always: so that equal texts are of one kind.
    Heap(String),
}

/// Its bytes in the order of memory, and zeros behind.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    words: [u64; INLINE / 8],
    /// One more than there are bytes, so that [`Text`] needs no tag.
    length: NonZeroUsize,
}

impl Short {
    const EMPTY: Self = Self { words: [0; INLINE / 8], length: NonZeroUsize::MIN };

    /// The words are put together in registers.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: out of line it is written twice")]
    fn new(text: &[u8]) -> Option<Self> {
        let long = text.len();
        let chunks = match long {
            0..=16 => [up_to_16(text), 0, 0, 0],
            17..=32 => [chunk(text, 0), last(text, 32), 0, 0],
            33..=48 => [chunk(text, 0), chunk(text, 16), last(text, 48), 0],
            49..=INLINE => [chunk(text, 0), chunk(text, 16), chunk(text, 32), last(text, 64)],
            _ => return None,
        };
        let length = NonZeroUsize::MIN.saturating_add(long);
        #[expect(clippy::cast_possible_truncation, reason = "the other half is the word beside it")]
        let word = |at: usize| ((chunks[at / 2] >> (64 * (at % 2))) as u64).to_le();
        let words = [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)];
        Some(Self { words, length })
    }

    #[inline]
    fn len(&self) -> usize {
        self.length.get() - 1
    }

    fn bytes(&self) -> &[u8; INLINE] {
        // SAFETY: any eight words are as many bytes.
        unsafe { &*(&raw const self.words).cast() }
    }

    /// Says whether it fitted.
    fn push(&mut self, more: &[u8]) -> bool {
        let (start, end) = (self.len(), self.len() + more.len());
        // SAFETY: as in `bytes`.
        let bytes = unsafe { &mut *(&raw mut self.words).cast::<[u8; INLINE]>() };
        let Some(space) = bytes.get_mut(start..end) else { return false };
        space.copy_from_slice(more);
        self.length = NonZeroUsize::MIN.saturating_add(end);
        true
    }
}

/// The 16 bytes from here, the first one lowest.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one load")]
fn chunk(text: &[u8], at: usize) -> u128 {
    text[at..].first_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

/// The last bytes of a text that ends within the chunk that ends at `end`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "one load and a shift")]
fn last(text: &[u8], end: usize) -> u128 {
    text.last_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes) >> (8 * (end - text.len())))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "a few loads and shifts")]
fn up_to_16(text: &[u8]) -> u128 {
    let long = text.len();
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (long - 8));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (long - 4));
    }
    text.iter().rev().fold(0, |bytes, byte| bytes << 8 | u128::from(*byte))
}

impl Text {
    pub(crate) const fn new() -> Self {
        Self::Inline(Short::EMPTY)
    }

    /// A number in whose upper bits short texts differ most of the time; `None` for a long one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few words, in the middle of a look-up")]
    pub(crate) fn print(&self) -> Option<u64> {
        let Self::Inline(short) = self else { return None };
        let fold = |at: usize| short.words[at] ^ short.words[at + 1].rotate_left(32);
        let mut words = fold(0) ^ fold(2).rotate_left(16);
        if short.len() > INLINE / 2 {
            words ^= (fold(4) ^ fold(6).rotate_left(16)).rotate_left(8);
        }
        // The golden ratio carries what differs upwards only.
        Some((words ^ words >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn push_str(&mut self, more: &str) {
        let fitted = match self {
            Self::Inline(short) => short.push(more.as_bytes()),
            Self::Heap(text) => {
                text.push_str(more);
                true
            }
        };
        if !fitted {
            *self = Self::Heap([&**self, more].concat());
        }
    }
}

impl From<&str> for Text {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: out of line it is written twice")]
    fn from(text: &str) -> Self {
        match Short::new(text.as_bytes()) {
            Some(short) => Self::Inline(short),
            None => Self::Heap(text.to_owned()),
        }
    }
}

impl Clone for Text {
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Self::Inline(short) => Self::Inline(*short),
            Self::Heap(text) => Self::Heap(text.clone()),
        }
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        match self {
            // SAFETY: the first `len` bytes were copied from whole strings.
            Self::Inline(short) => unsafe { std::str::from_utf8_unchecked(&short.bytes()[..short.len()]) },
            Self::Heap(text) => text,
        }
    }
}

impl PartialEq for Text {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few words, in the middle of a look-up")]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Inline(one), Self::Inline(two)) => {
                let differ = |at: usize| one.words[at] ^ two.words[at];
                one.length == two.length
                    && differ(0) | differ(1) | differ(2) | differ(3) == 0
                    && (one.len() <= INLINE / 2 || differ(4) | differ(5) | differ(6) | differ(7) == 0)
            }
            (Self::Heap(one), Self::Heap(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for Text {}

impl Hash for Text {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a few words, in the middle of a look-up")]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Inline(short) => {
                // One by one: as a loop, the hasher's state would be made of shifts.
                let mut write = |at: usize| {
                    state.write_u128(u128::from(short.words[at]) | u128::from(short.words[at + 1]) << 64);
                };
                write(0);
                write(2);
                if short.len() > INLINE / 2 {
                    write(4);
                    write(6);
                }
            }
            Self::Heap(text) => text.hash(state),
        }
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        self.push_str(more);
        Ok(())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use super::*;

    const LONG: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:;-_<>|!?=()[]{}";

    #[test]
    fn a_text_is_what_it_was_made_of_at_every_length() {
        for end in 0..=LONG.len() {
            assert_eq!(&*Text::from(&LONG[..end]), &LONG[..end]);
        }
        assert_eq!(&*Text::from("é".repeat(40).as_str()), "é".repeat(40));
    }

    /// Wherever in the name the number stands.
    #[test]
    fn names_that_differ_by_a_number_have_prints_that_differ_above() {
        for before in 0..40 {
            for after in [0, 1, 7, 20] {
                let prints = (0..200).map(|number| {
                    let text = format!("{}{number}{}", &LONG[..before], &LONG[..after]);
                    Text::from(text.as_str()).print().expect("a short text") >> 59
                });
                let places = prints.collect::<std::collections::HashSet<_>>().len();
                assert!(places >= 28, "{places} of 32 places: {before} before, {after} after");
            }
        }
        assert_eq!(Text::from(LONG).print(), None);
    }

    #[test]
    fn however_it_was_made_it_is_equal_and_hashes_equal() {
        let hasher = foldhash::fast::RandomState::default();
        for end in 0..=LONG.len() {
            let whole = Text::from(&LONG[..end]);
            for cut in 0..=end {
                let mut pieces = Text::from(&LONG[..cut]);
                pieces.push_str(&LONG[cut..end]);
                assert_eq!(pieces, whole);
                assert_eq!(hasher.hash_one(&pieces), hasher.hash_one(&whole));
                assert_eq!(whole.clone(), whole);
            }
        }
    }

    #[test]
    fn one_byte_makes_a_difference_wherever_it_is() {
        let hasher = foldhash::fast::RandomState::default();
        for end in 1..=LONG.len() {
            for at in 0..end {
                let mut other = LONG.as_bytes()[..end].to_vec();
                other[at] = b'~';
                let other = Text::from(std::str::from_utf8(&other).expect("ASCII"));
                let whole = Text::from(&LONG[..end]);
                assert_ne!(other, whole);
                assert_ne!(hasher.hash_one(&other), hasher.hash_one(&whole));
            }
        }
        assert_ne!(Text::from("a"), Text::from("a\0"), "its padding is no part of a text");
    }

    #[test]
    fn a_text_takes_no_more_than_its_bytes_and_a_length() {
        assert_eq!(size_of::<Text>(), 72);
    }
}
