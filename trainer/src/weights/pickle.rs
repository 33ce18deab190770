//! Pickles as data. Calls are noted and never made; classes are names.

mod reader;

use reader::Reader;

/// Depth of nested values that is followed when a value is read.
pub const DEPTH: usize = 64;

/// A place in [`Pickle::values`].
pub type Id = usize;

/// A value; containers hold places, because a pickle may refer to one value many times.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number beyond 64 bits, by its bytes, the least first.
    Large(Vec<u8>),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values in order.
    Dict(Vec<(Id, Id)>),
    /// A class or function by its module and name.
    Global(String, String),
    /// A call that the pickle asks for: what is called, and the arguments. Items that were set on it are kept.
    Call(Id, Id, Vec<(Id, Id)>),
    /// Something outside of the pickle, by its description.
    Outside(Id),
}

/// One pickle.
#[derive(Debug, Default)]
pub struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
    /// Bytes read.
    pub length: usize,
}

impl Pickle {
    /// Reads one pickle from the front of `bytes`.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        Reader::new(bytes).run()
    }

    /// The value at a place.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// A text.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is no less than 0.
    pub fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The items of a tuple or list.
    pub fn items(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Keys and values of a dict, or of a call that makes one and was given items.
    pub fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(entries) => Some(entries),
            Value::Call(class, _, entries) => match self.get(*class) {
                Value::Global(module, name) if module == "collections" && name == "OrderedDict" => Some(entries),
                _ => None,
            },
            _ => None,
        }
    }

    /// Module, name and arguments of a call.
    pub fn call(&self, id: Id) -> Option<(&str, &str, &[Id])> {
        let Value::Call(class, arguments, _) = self.get(id) else { return None };
        let Value::Global(module, name) = self.get(*class) else { return None };
        Some((module, name, self.items(*arguments)?))
    }
}
