//! Arguments of device operations as 32-bit little-endian words.

/// Reads words in order; `None` once they run out.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    words: &'a [u32],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `words`.
    pub fn new(words: &'a [u32]) -> Self {
        Self { words }
    }

    /// The next word.
    pub fn word(&mut self) -> Option<u32> {
        let (&first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// The next value.
    pub fn get<T: Word>(&mut self) -> Option<T> {
        T::get(self)
    }

    /// Whether every word was read.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// A value stored in whole words.
pub trait Word: Copy {
    /// How many words it takes.
    const WORDS: usize;
    /// Reads it.
    fn get(reader: &mut Reader<'_>) -> Option<Self>;
    /// Writes it.
    fn put(self, sink: &mut dyn FnMut(u32));
}

impl Word for u32 {
    const WORDS: usize = 1;
    fn get(reader: &mut Reader<'_>) -> Option<Self> {
        reader.word()
    }
    fn put(self, sink: &mut dyn FnMut(u32)) {
        sink(self);
    }
}

impl Word for i32 {
    const WORDS: usize = 1;
    fn get(reader: &mut Reader<'_>) -> Option<Self> {
        reader.word().map(u32::cast_signed)
    }
    fn put(self, sink: &mut dyn FnMut(u32)) {
        sink(self.cast_unsigned());
    }
}

impl Word for f32 {
    const WORDS: usize = 1;
    fn get(reader: &mut Reader<'_>) -> Option<Self> {
        reader.word().map(f32::from_bits)
    }
    fn put(self, sink: &mut dyn FnMut(u32)) {
        sink(self.to_bits());
    }
}

impl<T: Word + Default, const N: usize> Word for [T; N] {
    const WORDS: usize = T::WORDS * N;
    fn get(reader: &mut Reader<'_>) -> Option<Self> {
        let mut all = [T::default(); N];
        for slot in &mut all {
            *slot = reader.get()?;
        }
        Some(all)
    }
    fn put(self, sink: &mut dyn FnMut(u32)) {
        for value in self {
            value.put(sink);
        }
    }
}

/// The arguments of one device operation.
pub trait Arguments: Word {
    /// The stable number of the operation in plan files.
    const CODE: u16;
    /// Its name in reports.
    const NAME: &'static str;
}

/// Declares a group of fields stored as words, in the order written.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::Word for $name {
            const WORDS: usize = 0 $(+ <$type as $crate::Word>::WORDS)*;
            fn get(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                let _ = &reader;
                Some(Self { $($field: reader.get()?,)* })
            }
            fn put(self, sink: &mut dyn FnMut(u32)) {
                let _ = &sink;
                $($crate::Word::put(self.$field, sink);)*
            }
        }
    };
}

/// Declares the arguments of a device operation: number, name, fields.
macro_rules! arguments {
    ($(#[$meta:meta])* $name:ident = $code:literal $text:literal { $($fields:tt)* }) => {
        $crate::words::words! { $(#[$meta])* $name { $($fields)* } }

        impl $crate::Arguments for $name {
            const CODE: u16 = $code;
            const NAME: &'static str = $text;
        }
    };
}

pub(crate) use {arguments, words};
