//! Ids and secrets.

/// Makes ids and secrets that look drawn, and are the same in every run of a test.
#[derive(Debug)]
pub(crate) struct Drawn {
    state: u64,
}

impl Drawn {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A prefix, and so many letters and digits.
    pub(crate) fn text(&mut self, prefix: &str, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut text = prefix.to_owned();
        for _ in 0..length {
            text.push(char::from(LETTERS[usize::try_from(self.next() % 62).unwrap_or_default()]));
        }
        text
    }

    /// SplitMix64: spreads a counter over all numbers.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
