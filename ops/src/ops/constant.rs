//! `Constant`: a value that is part of the model (ONNX Constant-21, dense). Type inference turns every such node into
//! an initializer.

use ocellus_graph::{Attribute, Attributes, Shape, Tensor, TensorData};

use crate::{OpDef, OpError, ValueType};

pub(crate) const OP: OpDef = OpDef {
    static_value: Some(|ctx| value(&ctx.node.attributes).ok()),
    eval: Some(|ctx| Ok(vec![value(&ctx.node.attributes).map_err(|e| ctx.error(e))?])),
    ..OpDef::new("Constant", |ctx| {
        let value = value(&ctx.node.attributes).map_err(|e| ctx.error(e))?;
        Ok::<_, OpError>(vec![ValueType::new(value.dtype(), Shape::fixed(value.shape()))])
    })
};

/// The value of the one attribute that has to be there.
fn value(attributes: &Attributes) -> Result<Tensor, String> {
    let text =
        |v: &[String], shape: &[usize]| Tensor::new(shape, TensorData::String(v.to_vec())).map_err(|e| e.to_string());
    let mut given = attributes.0.iter();
    let (Some((name, attribute)), None) = (given.next(), given.next()) else {
        return Err(format!("needs exactly one attribute, found {}", attributes.0.len()));
    };
    match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(v)) => Ok(v.clone()),
        ("value_float", Attribute::Float(v)) => Ok(Tensor::scalar(*v)),
        ("value_floats", Attribute::Floats(v)) => Ok(Tensor::vector(v)),
        ("value_int", Attribute::Int(v)) => Ok(Tensor::scalar(*v)),
        ("value_ints", Attribute::Ints(v)) => Ok(Tensor::vector(v)),
        ("value_string", Attribute::String(v)) => text(std::slice::from_ref(v), &[]),
        ("value_strings", Attribute::Strings(v)) => text(v, &[v.len()]),
        ("sparse_value", _) => Err("a sparse value is not supported; store it dense".to_owned()),
        // An empty list carries no sign of its element type.
        ("value_floats", Attribute::Ints(v)) if v.is_empty() => Ok(Tensor::vector::<f32>(&[])),
        ("value_ints", Attribute::Floats(v)) if v.is_empty() => Ok(Tensor::vector::<i64>(&[])),
        _ => Err(format!("attribute {name:?} is not known or has another type than its name says")),
    }
}

#[cfg(test)]
mod tests {
    use ocellus_graph::{DataType, Graph, Model, Node};

    use super::*;

    fn of(name: &str, attribute: impl Into<Attribute>) -> Result<Tensor, String> {
        value(&Attributes::new().with(name, attribute))
    }

    #[test]
    fn every_attribute() {
        assert_eq!(of("value", Tensor::scalar(2u8)), Ok(Tensor::scalar(2u8)));
        assert_eq!(of("value_float", 0.5f32), Ok(Tensor::scalar(0.5f32)));
        assert_eq!(of("value_floats", vec![0.5f32, 1.0]), Ok(Tensor::vector(&[0.5f32, 1.0])));
        assert_eq!(of("value_int", 3i64), Ok(Tensor::scalar(3i64)));
        assert_eq!(of("value_ints", vec![3i64, 4]), Ok(Tensor::vector(&[3i64, 4])));
        let word = of("value_string", "word").unwrap();
        assert_eq!((word.dtype(), word.rank()), (DataType::String, 0));
        assert_eq!(of("value_strings", vec!["a".to_owned(), "b".to_owned()]).unwrap().shape(), [2]);
        assert!(of("sparse_value", 1i64).unwrap_err().contains("dense"));
        assert!(of("value_int", 1f32).is_err());
        assert!(value(&Attributes::new()).is_err());
    }

    #[test]
    fn inference_makes_it_an_initializer_of_any_size_even_as_an_output() {
        let big = Tensor::full(DataType::F32, &[100, 100], 1.5);
        let mut g = Graph::new("g");
        let (c, y) = (g.add_value("c", None, None), g.add_value("y", None, None));
        g.outputs = vec![c, y];
        g.nodes
            .push(Node::new("Constant", [], [Some(c)]).with_attributes(Attributes::new().with("value", big.clone())));
        g.nodes.push(Node::new("Identity", [Some(c)], [Some(y)]));
        let mut model = Model::new(g);
        crate::infer(&mut model).unwrap();
        assert_eq!(model.graph.initializers[&c], big);
        assert_eq!(model.graph.nodes.len(), 1);
        assert_eq!(crate::evaluate(&model, &[]).unwrap()["c"], big);
    }
}
