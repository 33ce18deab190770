//! The one table of operators.

use std::collections::HashMap;
use std::sync::OnceLock;

use ocellus_graph::Model;

use crate::OpDef;

macro_rules! operators {
    ($($module:ident),* $(,)?) => {
        /// Every operator.
        pub static OPS: &[&OpDef] = &[$(&$module::OP),*];
    };
}

use crate::ops::*;

operators![
    abs,
    add,
    and,
    arg_max,
    arg_min,
    average_pool,
    batch_normalization,
    cast,
    cast_like,
    ceil,
    clip,
    compress,
    concat,
    constant,
    constant_of_shape,
    conv,
    conv_integer,
    conv_transpose,
    cos,
    cum_sum,
    depth_to_space,
    dequantize_linear,
    div,
    dropout,
    dynamic_quantize_linear,
    dynamic_quantize_lstm,
    einsum,
    elu,
    equal,
    erf,
    exp,
    expand,
    eye_like,
    flatten,
    floor,
    gather,
    gather_elements,
    gather_nd,
    gelu,
    gemm,
    global_average_pool,
    global_lp_pool,
    global_max_pool,
    greater,
    greater_or_equal,
    group_normalization,
    gru,
    hard_sigmoid,
    hard_swish,
    hardmax,
    identity,
    instance_normalization,
    is_inf,
    is_nan,
    layer_normalization,
    leaky_relu,
    less,
    less_or_equal,
    log,
    log_softmax,
    lp_normalization,
    lp_pool,
    lrn,
    lstm,
    matmul,
    matmul_integer,
    max,
    max_pool,
    mean,
    min,
    mish,
    mod_,
    mul,
    neg,
    non_zero,
    not,
    one_hot,
    or,
    pad,
    pow,
    prelu,
    qgemm,
    qlinear_add,
    qlinear_average_pool,
    qlinear_concat,
    qlinear_conv,
    qlinear_global_average_pool,
    qlinear_leaky_relu,
    qlinear_matmul,
    qlinear_mul,
    qlinear_sigmoid,
    qlinear_softmax,
    qlinear_where,
    quantize_linear,
    range,
    reciprocal,
    reduce_l1,
    reduce_l2,
    reduce_log_sum,
    reduce_log_sum_exp,
    reduce_max,
    reduce_mean,
    reduce_min,
    reduce_prod,
    reduce_sum,
    reduce_sum_square,
    relu,
    reshape,
    resize,
    reverse_sequence,
    rnn,
    round,
    scatter,
    scatter_elements,
    scatter_nd,
    selu,
    shape,
    sigmoid,
    sign,
    sin,
    size,
    slice,
    softmax,
    softplus,
    softsign,
    space_to_depth,
    split,
    sqrt,
    squeeze,
    sub,
    sum,
    tanh,
    tile,
    top_k,
    transpose,
    trilu,
    unsqueeze,
    upsample,
    where_,
    xor,
];

/// The operator of this domain and name. `ai.onnx` is another spelling of ONNX's own domain.
pub fn find(domain: &str, name: &str) -> Option<&'static OpDef> {
    static INDEX: OnceLock<HashMap<(&str, &str), &OpDef>> = OnceLock::new();
    let domain = if domain == "ai.onnx" { "" } else { domain };
    INDEX.get_or_init(|| OPS.iter().map(|&op| ((op.domain, op.name), op)).collect()).get(&(domain, name)).copied()
}

/// Every node whose operator is not in the table, as (node, operator) for messages.
pub fn unsupported(model: &Model) -> Vec<(String, String)> {
    let unknown = model.graph.nodes.iter().filter(|n| find(&n.domain, &n.op).is_none());
    unknown
        .map(|n| (n.label(), if n.domain.is_empty() { n.op.clone() } else { format!("{}.{}", n.domain, n.op) }))
        .collect()
}
