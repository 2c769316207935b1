//! A command as it is on the wire, written once: the client's own way makes each word twice.

/// Words for the server, which are counted first.
pub(super) struct Words(Vec<u8>);

impl Words {
    /// So many words follow, of this length or less.
    pub(super) fn new(count: u64, length: usize) -> Self {
        const MARKS: usize = 8;
        let marks = usize::try_from(count).unwrap_or_default().saturating_add(1).saturating_mul(MARKS);
        let mut words = Self(Vec::with_capacity(length.saturating_add(marks)));
        words.mark(b'*', count);
        words
    }

    /// One more.
    pub(super) fn add(&mut self, word: &str) {
        self.join(word, "");
    }

    /// One more, of two parts.
    pub(super) fn join(&mut self, first: &str, second: &str) {
        self.mark(b'$', (first.len() + second.len()) as u64);
        self.0.extend_from_slice(first.as_bytes());
        self.0.extend_from_slice(second.as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    /// One more.
    pub(super) fn number(&mut self, number: u64) {
        self.with_digits(number, Self::add);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn mark(&mut self, kind: u8, number: u64) {
        self.0.push(kind);
        self.with_digits(number, |words, digits| words.0.extend_from_slice(digits.as_bytes()));
        self.0.extend_from_slice(b"\r\n");
    }

    fn with_digits(&mut self, mut number: u64, then: impl FnOnce(&mut Self, &str)) {
        let (mut digits, mut at) = ([b'0'; 20], 20);
        loop {
            at -= 1;
            digits[at] += (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        then(self, std::str::from_utf8(&digits[at..]).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_packed_as_the_client_packs_it() {
        for number in [0, 9, 10, 4_600_000, u64::MAX] {
            let mut words = Words::new(3, 10);
            words.add("GET");
            words.join("{ä}/", "fence");
            words.number(number);
            let theirs = redis::cmd("GET").arg("{ä}/fence").arg(number).get_packed_command();
            assert_eq!(String::from_utf8_lossy(&words.into_bytes()), String::from_utf8_lossy(&theirs));
        }
    }
}
