//! How a graph learns: autograd, losses, optimisers, data, metrics, checkpoints.
