//! The part of msgpack that batches and state records use, written with the same bytes as msgspec writes it.

#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn array(&mut self, len: usize) {
        match len {
            0..=15 => self.0.push(0x90 | len as u8),
            16..=0xffff => self.tagged(0xdc, &(len as u16).to_be_bytes()),
            _ => self.tagged(0xdd, &(len as u32).to_be_bytes()),
        }
    }

    pub fn text(&mut self, text: &str) {
        match text.len() {
            len @ 0..=31 => self.0.push(0xa0 | len as u8),
            len @ 32..=0xff => self.tagged(0xd9, &[len as u8]),
            len @ 0x100..=0xffff => self.tagged(0xda, &(len as u16).to_be_bytes()),
            len => self.tagged(0xdb, &(len as u32).to_be_bytes()),
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    pub fn bytes(&mut self, bytes: impl ExactSizeIterator<Item = u8>) {
        match bytes.len() {
            len @ 0..=0xff => self.tagged(0xc4, &[len as u8]),
            len @ 0x100..=0xffff => self.tagged(0xc5, &(len as u16).to_be_bytes()),
            len => self.tagged(0xc6, &(len as u32).to_be_bytes()),
        }
        self.0.extend(bytes);
    }

    pub fn flag(&mut self, flag: bool) {
        self.0.push(if flag { 0xc3 } else { 0xc2 });
    }

    pub fn number(&mut self, n: i64) {
        match n {
            0..=0x7f => self.0.push(n as u8),
            0x80..=0xff => self.tagged(0xcc, &[n as u8]),
            0x100..=0xffff => self.tagged(0xcd, &(n as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.tagged(0xce, &(n as u32).to_be_bytes()),
            0x1_0000_0000.. => self.tagged(0xcf, &n.to_be_bytes()),
            -32..=-1 => self.0.push(n as u8),
            -0x80..=-33 => self.tagged(0xd0, &[n as u8]),
            -0x8000..=-0x81 => self.tagged(0xd1, &(n as i16).to_be_bytes()),
            -0x8000_0000..=-0x8001 => self.tagged(0xd2, &(n as i32).to_be_bytes()),
            _ => self.tagged(0xd3, &n.to_be_bytes()),
        }
    }

    fn tagged(&mut self, tag: u8, rest: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(rest);
    }
}

/// These bytes are no record of this format.
#[derive(Debug)]
pub struct Damaged;

pub type Read<T> = Result<T, Damaged>;

pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// An array of so many values, no more and no less.
    pub fn array_of(&mut self, len: usize) -> Read<()> {
        if self.array()? == len {
            Ok(())
        } else {
            Err(Damaged)
        }
    }

    pub fn array(&mut self) -> Read<usize> {
        match self.byte()? {
            tag @ 0x90..=0x9f => Ok((tag & 0x0f) as usize),
            0xdc => self.big_endian(2),
            0xdd => self.big_endian(4),
            _ => Err(Damaged),
        }
    }

    pub fn text(&mut self) -> Read<&'a str> {
        let len = match self.byte()? {
            tag @ 0xa0..=0xbf => (tag & 0x1f) as usize,
            0xd9 => self.big_endian(1)?,
            0xda => self.big_endian(2)?,
            0xdb => self.big_endian(4)?,
            _ => return Err(Damaged),
        };
        std::str::from_utf8(self.take(len)?).map_err(|_| Damaged)
    }

    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = match self.byte()? {
            0xc4 => self.big_endian(1)?,
            0xc5 => self.big_endian(2)?,
            0xc6 => self.big_endian(4)?,
            _ => return Err(Damaged),
        };
        self.take(len)
    }

    pub fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0xc2 => Ok(false),
            0xc3 => Ok(true),
            _ => Err(Damaged),
        }
    }

    pub fn number(&mut self) -> Read<i64> {
        Ok(match self.byte()? {
            tag @ 0..=0x7f => tag as i64,
            tag @ 0xe0..=0xff => tag as i8 as i64,
            0xcc => self.take(1)?[0] as i64,
            0xcd => u16::from_be_bytes(self.fixed()?) as i64,
            0xce => u32::from_be_bytes(self.fixed()?) as i64,
            0xcf => i64::try_from(u64::from_be_bytes(self.fixed()?)).map_err(|_| Damaged)?,
            0xd0 => self.take(1)?[0] as i8 as i64,
            0xd1 => i16::from_be_bytes(self.fixed()?) as i64,
            0xd2 => i32::from_be_bytes(self.fixed()?) as i64,
            0xd3 => i64::from_be_bytes(self.fixed()?),
            _ => return Err(Damaged),
        })
    }

    fn byte(&mut self) -> Read<u8> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        if self.0.len() < len {
            return Err(Damaged);
        }
        let (mine, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(mine)
    }

    fn fixed<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Damaged)
    }

    fn big_endian(&mut self, len: usize) -> Read<usize> {
        Ok(self.take(len)?.iter().fold(0, |number, &byte| number << 8 | byte as usize))
    }
}
