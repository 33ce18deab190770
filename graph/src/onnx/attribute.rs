//! `AttributeProto` and [`Attribute`].

use super::error::OnnxProblem;
use super::external::External;
use super::proto::AttributeProto;
use super::read::read_graph;
use super::tensor::{read_tensor, write_tensor};
use super::write::write_graph;
use crate::{Attribute, Attributes};

/// `AttributeProto.AttributeType`.
mod kind {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const TENSOR: i32 = 4;
    pub const GRAPH: i32 = 5;
    pub const FLOATS: i32 = 6;
    pub const INTS: i32 = 7;
    pub const STRINGS: i32 = 8;
    pub const OTHERS: [(i32, &str); 6] = [
        (9, "a list of tensors"),
        (10, "a list of graphs"),
        (11, "a sparse tensor"),
        (12, "a list of sparse tensors"),
        (13, "a type"),
        (14, "a list of types"),
    ];
}

/// The attributes of the node that errors call `node`.
pub(super) fn read_attributes(
    protos: Vec<AttributeProto>,
    node: &str,
    external: &mut External,
) -> Result<Attributes, OnnxProblem> {
    let mut attributes = Attributes::new();
    for proto in protos {
        let name = proto.name.clone().unwrap_or_default();
        let refuse = |expected: &str, found: &str| OnnxProblem::Attribute {
            node: node.to_owned(),
            attribute: name.clone(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        if name.is_empty() {
            return Err(refuse("a name for every attribute", "none"));
        }
        if proto.ref_attr_name.as_deref().is_some_and(|r| !r.is_empty()) {
            return Err(refuse("a value", "a reference to an attribute of a function, outside of any function"));
        }
        if attributes.0.contains_key(&name) {
            return Err(refuse("every attribute once", "it twice"));
        }
        let value = read_value(proto, node, &name, &refuse, external)?;
        attributes.0.insert(name, value);
    }
    Ok(attributes)
}

fn read_value(
    proto: AttributeProto,
    node: &str,
    name: &str,
    refuse: &dyn Fn(&str, &str) -> OnnxProblem,
    external: &mut External,
) -> Result<Attribute, OnnxProblem> {
    let text = |bytes: &[u8]| {
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| refuse("text in UTF-8", "other bytes"))
    };
    Ok(match proto.r#type.filter(|&k| k != 0).unwrap_or_else(|| kind_of(&proto)) {
        // A writer that leaves out zeros is understood.
        kind::FLOAT => Attribute::Float(proto.f.unwrap_or(0.0)),
        kind::INT => Attribute::Int(proto.i.unwrap_or(0)),
        kind::STRING => Attribute::String(text(&proto.s.unwrap_or_default())?),
        kind::FLOATS => Attribute::Floats(proto.floats),
        kind::INTS => Attribute::Ints(proto.ints),
        kind::STRINGS => {
            Attribute::Strings(proto.strings.iter().map(|s| text(s)).collect::<Result<Vec<_>, OnnxProblem>>()?)
        }
        kind::TENSOR => {
            let tensor = proto.t.ok_or_else(|| refuse("a tensor", "none"))?;
            Attribute::Tensor(read_tensor(&tensor, &format!("{name} of {node}"), external)?)
        }
        kind::GRAPH => {
            let body = proto.g.ok_or_else(|| refuse("a graph", "none"))?;
            Attribute::Graph(Box::new(read_graph(*body, true, external)?))
        }
        other => {
            let known = kind::OTHERS.iter().find(|(k, _)| *k == other).map(|(_, name)| (*name).to_owned());
            let found = known.unwrap_or_else(|| format!("kind number {other}"));
            return Err(refuse("a float, an integer, a text, a tensor, a graph, or a list of the first three", &found));
        }
    })
}

/// The kind of an attribute of a file from before attributes said it (IR version 1).
fn kind_of(proto: &AttributeProto) -> i32 {
    let present = [
        (kind::FLOAT, proto.f.is_some()),
        (kind::INT, proto.i.is_some()),
        (kind::STRING, proto.s.is_some()),
        (kind::TENSOR, proto.t.is_some()),
        (kind::GRAPH, proto.g.is_some()),
        (kind::FLOATS, !proto.floats.is_empty()),
        (kind::STRINGS, !proto.strings.is_empty()),
    ];
    present.iter().find(|(_, p)| *p).map_or(kind::INTS, |(k, _)| *k)
}

/// The messages of a node's attributes, in the order of their names.
pub(super) fn write_attributes(attributes: &Attributes) -> Result<Vec<AttributeProto>, OnnxProblem> {
    attributes.0.iter().map(|(name, value)| write_attribute(name, value)).collect()
}

fn write_attribute(name: &str, value: &Attribute) -> Result<AttributeProto, OnnxProblem> {
    let mut proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let kind = match value {
        Attribute::Float(v) => {
            proto.f = Some(*v);
            kind::FLOAT
        }
        Attribute::Int(v) => {
            proto.i = Some(*v);
            kind::INT
        }
        Attribute::String(v) => {
            proto.s = Some(v.clone().into_bytes().into());
            kind::STRING
        }
        Attribute::Tensor(v) => {
            proto.t = Some(Box::new(write_tensor("", v)));
            kind::TENSOR
        }
        Attribute::Graph(v) => {
            proto.g = Some(Box::new(write_graph(v, true)?));
            kind::GRAPH
        }
        Attribute::Floats(v) => {
            proto.floats.clone_from(v);
            kind::FLOATS
        }
        Attribute::Ints(v) => {
            proto.ints.clone_from(v);
            kind::INTS
        }
        Attribute::Strings(v) => {
            proto.strings = v.iter().map(|s| s.clone().into_bytes().into()).collect();
            kind::STRINGS
        }
    };
    proto.r#type = Some(kind);
    Ok(proto)
}
