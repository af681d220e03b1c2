//! Read JSON as E2 has it, but nothing that is rare: that is left to Python, the judge.

const DEPTH_MAX: usize = 16;

/// A reader of RFC 8259 without escapes. `None`: left to Python.
pub struct Json<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Json<'a> {
    pub fn new(text: &'a str) -> Json<'a> {
        Json { text, at: 0 }
    }

    pub fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.text.len()
    }

    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        loop {
            self.space();
            let name = self.string()?;
            self.take(b':')?;
            member(self, name)?;
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => return self.take(b'}'),
            }
        }
    }

    /// Pass over a value of any kind.
    pub fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' if depth < DEPTH_MAX => self.object(|json, _| json.skip(depth + 1)),
            b'[' if depth < DEPTH_MAX => self.items(|json| json.skip(depth + 1)),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    pub fn items(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            item(self)?;
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => return self.take(b']'),
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.here()? == b'-' {
            self.at += 1;
        }
        if self.here()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.here() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.here(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.here(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    /// A string without escapes and control characters.
    pub fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let length = plain_length(rest)?;
        if rest[length] != b'"' {
            return None;
        }
        let found = &self.text[self.at..self.at + length];
        self.at += length + 1;
        Some(found)
    }

    /// A string whose escapes are resolved; half a pair of surrogates is left to Python.
    pub fn escaped(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.take(b'"')?;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let length = plain_length(rest)?;
            out.extend_from_slice(&rest[..length]);
            self.at += length + 1;
            match rest[length] {
                b'"' => return Some(()),
                b'\\' => self.escape(out)?,
                _ => return None,
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let byte = self.here()?;
        self.at += 1;
        let found = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4)?;
                let digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)?;
                let found = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                self.at += 4;
                out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
                return Some(());
            }
            _ => return None,
        };
        out.push(found);
        Some(())
    }

    /// A whole number without fraction or exponent.
    pub fn integer(&mut self) -> Option<i128> {
        self.space();
        let begin = self.at;
        self.number()?;
        self.text[begin..self.at].parse().ok()
    }

    pub fn word(&mut self, word: &str) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    pub fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        self.space();
        self.here()
    }

    fn space(&mut self) {
        while matches!(self.here(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

/// Bytes before the first quote, backslash or control character; eight at a time, for half of all time goes into texts otherwise.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        let word = u64::from_le_bytes(eight);
        // The lowest bit that is set is that of the first such byte; those above it may be wrong.
        let found = (below(word, 0x20) | below(word ^ of(b'"'), 1) | below(word ^ of(b'\\'), 1)) & of(0x80);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
    Some(at + rest)
}

/// The same byte eight times.
const fn of(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is less than a limit (Warren, Hacker's Delight 6-1).
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(of(limit)) & !word
}

#[cfg(test)]
mod tests {
    use super::plain_length;

    #[test]
    fn every_byte_in_every_place_is_told_as_one_by_one() {
        for length in 0..20 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    for filler in [b'a', 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']', 0x20] {
                        let mut bytes = vec![filler; length];
                        bytes[place] = byte;
                        let slow = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
                        assert_eq!(plain_length(&bytes), slow, "{bytes:?}");
                    }
                }
            }
        }
    }
}
