//! The machine that a pickle is a program for: a stack of places, marks on it, and a memory.

use std::collections::HashMap;

use super::{Id, Pickle, Value};

type Outcome<T> = Result<T, String>;

/// Reads one pickle.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'a> Reader<'a> {
    /// At the front of `bytes`, with nothing on the stack.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }
    }

    /// Reads to the end of the pickle.
    pub fn run(mut self) -> Outcome<Pickle> {
        loop {
            let at = self.at;
            let op = self.byte()?;
            if op == b'.' {
                let root = self.pop()?;
                return Ok(Pickle { values: self.values, root, length: self.at });
            }
            self.step(op).map_err(|problem| format!("pickle, byte {at}, operation {op:#04x}: {problem}"))?;
        }
    }
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Outcome<&[u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len()).ok_or("the pickle ends early")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Outcome<u8> {
        Ok(self.take(1)?[0])
    }

    /// A number of `count` bytes, the least first.
    fn number(&mut self, count: usize) -> Outcome<u64> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    fn counted(&mut self, count: usize) -> Outcome<Vec<u8>> {
        let length = usize::try_from(self.number(count)?).map_err(|_| "a length beyond memory")?;
        Ok(self.take(length)?.to_vec())
    }

    fn line(&mut self) -> Outcome<String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n').ok_or("a line without an end")?;
        let line = self.take(end)?.to_vec();
        self.at += 1;
        String::from_utf8(line).map_err(|_| "a line that is no text".to_owned())
    }

    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    /// Takes from the stack; a mark is never taken by accident.
    fn pop(&mut self) -> Outcome<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("the stack is empty".to_owned());
        }
        self.stack.pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn top(&self) -> Outcome<Id> {
        self.stack.last().copied().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn since_mark(&mut self) -> Outcome<Vec<Id>> {
        let mark = self.marks.pop().ok_or("no mark is set")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn tuple(&mut self, count: usize) -> Outcome<()> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Outcome<Vec<_>>>()?;
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Outcome<()> {
        let top = self.top()?;
        let pairs = items.chunks_exact(2).map(|p| (p[0], p[1]));
        match &mut self.values[top] {
            Value::Dict(entries) | Value::Call(_, _, entries) => entries.extend(pairs),
            _ => return Err("items are set on something that is no dict".to_owned()),
        }
        Ok(())
    }

    fn append(&mut self, items: &[Id]) -> Outcome<()> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            // Classes of the torch module may have lists in them; their content is not needed.
            Value::Call(..) => {}
            _ => return Err("items are appended to something that is no list".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, key: u64) -> Outcome<()> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Outcome<()> {
        let id = *self.memo.get(&key).ok_or_else(|| format!("value {key} is recalled and was not remembered"))?;
        self.stack.push(id);
        Ok(())
    }

    fn text(&mut self, bytes: Vec<u8>) -> Outcome<()> {
        let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn long(&mut self, bytes: Vec<u8>) {
        if bytes.len() > 8 {
            return self.push(Value::Large(bytes));
        }
        let sign = if bytes.last().is_some_and(|b| b & 0x80 != 0) { -1i64 } else { 0 };
        self.push(Value::Int(bytes.iter().rev().fold(sign, |n, &b| n << 8 | i64::from(b))));
    }

    fn step(&mut self, op: u8) -> Outcome<()> {
        match op {
            0x80 => self.take(1).map(drop)?,
            0x95 => self.take(8).map(drop)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.pop().map(drop)?,
            b'1' => self.since_mark().map(drop)?,
            b'2' => self.stack.push(self.top()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            _ => return self.scalar(op),
        }
        Ok(())
    }

    fn scalar(&mut self, op: u8) -> Outcome<()> {
        let whole =
            |text: &str| text.trim_end_matches('L').parse::<i64>().map_err(|_| format!("{text:?} is no number"));
        match op {
            b'J' => {
                let n = self.number(4)? as u32 as i32;
                self.push(Value::Int(n.into()));
            }
            b'K' => {
                let n = self.byte()?;
                self.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = self.number(2)?;
                self.push(Value::Int(n as i64));
            }
            b'I' | b'L' => match self.line()?.as_str() {
                "00" if op == b'I' => self.push(Value::Bool(false)),
                "01" if op == b'I' => self.push(Value::Bool(true)),
                text => self.push(Value::Int(whole(text)?)),
            },
            0x8A => {
                let bytes = self.counted(1)?;
                self.long(bytes);
            }
            0x8B => {
                let bytes = self.counted(4)?;
                self.long(bytes);
            }
            b'G' => {
                let mut eight = [0; 8];
                eight.copy_from_slice(self.take(8)?);
                self.push(Value::Float(f64::from_be_bytes(eight)));
            }
            b'F' => {
                let text = self.line()?;
                self.push(Value::Float(text.parse().map_err(|_| format!("{text:?} is no number"))?));
            }
            _ => return self.string(op),
        }
        Ok(())
    }

    fn string(&mut self, op: u8) -> Outcome<()> {
        match op {
            b'X' | b'T' => {
                let bytes = self.counted(4)?;
                self.text(bytes)
            }
            0x8C | b'U' => {
                let bytes = self.counted(1)?;
                self.text(bytes)
            }
            0x8D => {
                let bytes = self.counted(8)?;
                self.text(bytes)
            }
            b'V' => {
                let line = self.line()?;
                self.push(Value::Text(line));
                Ok(())
            }
            b'S' => {
                let line = self.line()?;
                self.push(Value::Text(line.trim_matches(['\'', '"']).to_owned()));
                Ok(())
            }
            b'B' | b'C' | 0x8E => {
                let bytes = self.counted(match op {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.push(Value::Bytes(bytes));
                Ok(())
            }
            _ => self.container(op),
        }
    }

    fn container(&mut self, op: u8) -> Outcome<()> {
        match op {
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.tuple(usize::from(op - 0x84))?,
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'l' => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(&items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b'd' => {
                let items = self.since_mark()?;
                self.push(Value::Dict(items.chunks_exact(2).map(|p| (p[0], p[1])).collect()));
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(&items)?;
            }
            _ => return self.object(op),
        }
        Ok(())
    }

    fn object(&mut self, op: u8) -> Outcome<()> {
        match op {
            b'q' => {
                let key = self.number(1)?;
                self.remember(key)
            }
            b'r' => {
                let key = self.number(4)?;
                self.remember(key)
            }
            b'p' => {
                let key = self.line()?.parse().map_err(|_| "a memory that is no number")?;
                self.remember(key)
            }
            0x94 => self.remember(self.memo.len() as u64),
            b'h' => {
                let key = self.number(1)?;
                self.recall(key)
            }
            b'j' => {
                let key = self.number(4)?;
                self.recall(key)
            }
            b'g' => {
                let key = self.line()?.parse().map_err(|_| "a memory that is no number")?;
                self.recall(key)
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(module, name));
                Ok(())
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let text = |id: Id| match &self.values[id] {
                    Value::Text(text) => Ok(text.clone()),
                    _ => Err("a class whose name is no text".to_owned()),
                };
                let class = Value::Global(text(module)?, text(name)?);
                self.push(class);
                Ok(())
            }
            b'R' | 0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.push(Value::Call(class, arguments, Vec::new()));
                Ok(())
            }
            // The state that an object is given is not needed.
            b'b' => self.pop().map(drop),
            b'Q' => {
                let description = self.pop()?;
                self.push(Value::Outside(description));
                Ok(())
            }
            _ => Err("is not known".to_owned()),
        }
    }
}
