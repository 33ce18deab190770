//! Attributes of nodes.

use std::collections::BTreeMap;

use crate::{Graph, Tensor};

/// The value of one attribute of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// One integer.
    Int(i64),
    /// One float.
    Float(f32),
    /// One text; ONNX stores bytes, which must be UTF-8 here.
    String(String),
    /// A dense tensor.
    Tensor(Tensor),
    /// A body of a control-flow operator.
    Graph(Box<Graph>),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of floats.
    Floats(Vec<f32>),
    /// A list of texts.
    Strings(Vec<String>),
}

macro_rules! from {
    ($($type:ty => $variant:ident),* $(,)?) => {
        $(impl From<$type> for Attribute {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from!(i64 => Int, f32 => Float, String => String, &str => String, Tensor => Tensor, Vec<i64> => Ints, Vec<f32> => Floats,
      &[i64] => Ints, &[f32] => Floats, Vec<String> => Strings);

/// The attributes of a node by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub BTreeMap<String, Attribute>);

impl Attributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// This set with one more attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.set(name, value);
        self
    }

    /// Adds or replaces one attribute.
    pub fn set(&mut self, name: &str, value: impl Into<Attribute>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// The attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// Takes an attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        self.0.remove(name)
    }

    /// The integer of this name, if it is there and an integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Attribute::Int(v) => Some(*v),
            _ => None,
        }
    }

    /// The float of this name, if it is there and a float.
    pub fn float(&self, name: &str) -> Option<f32> {
        match self.get(name)? {
            Attribute::Float(v) => Some(*v),
            _ => None,
        }
    }

    /// The text of this name, if it is there and a text.
    pub fn string(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Attribute::String(v) => Some(v),
            _ => None,
        }
    }

    /// The list of integers of this name, if it is there and such a list.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.get(name)? {
            Attribute::Ints(v) => Some(v),
            _ => None,
        }
    }

    /// The list of floats of this name, if it is there and such a list.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        match self.get(name)? {
            Attribute::Floats(v) => Some(v),
            _ => None,
        }
    }

    /// The list of texts of this name, if it is there and such a list.
    pub fn strings(&self, name: &str) -> Option<&[String]> {
        match self.get(name)? {
            Attribute::Strings(v) => Some(v),
            _ => None,
        }
    }

    /// The tensor of this name, if it is there and a tensor.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        match self.get(name)? {
            Attribute::Tensor(v) => Some(v),
            _ => None,
        }
    }
}
