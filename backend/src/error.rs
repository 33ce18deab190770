//! What can go wrong between a model and an engine.

/// An error of a backend: which one, on what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// No backend has this name.
    #[error("no backend is called {name:?}; the backends are {}", crate::NAMES.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
    },
    /// This program was built without engines.
    #[error(
        "this ocellus was built without engines, so that backend {name} is not in it: train, quantize, and compare with \
         float models where it was built with them (the feature `engines`, which is on unless it is turned off)"
    )]
    LeftOut {
        /// The backend that was asked for.
        name: String,
    },
    /// A shared library that the backend needs is not to be found or does not load.
    #[error(
        "backend {backend}: {problem}. Install it with `{install}`, or name the library file in the environment \
         variable ORT_DYLIB_PATH; the backend \"tract\" needs nothing"
    )]
    Library {
        /// The backend.
        backend: String,
        /// What is missing.
        problem: String,
        /// The command that installs it.
        install: String,
    },
    /// The engine refuses a model.
    #[error("backend {backend} cannot prepare model {model:?}: {problem}")]
    Prepare {
        /// The backend.
        backend: String,
        /// Name of the model's graph.
        model: String,
        /// What the engine said; it names node and operator where it knows them.
        problem: String,
    },
    /// A tensor given by the caller does not fit the model.
    #[error("model {model:?}, tensor {tensor:?}: {problem}")]
    Tensor {
        /// Name of the model's graph.
        model: String,
        /// The input or output.
        tensor: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// The engine failed while running.
    #[error("backend {backend} failed while running model {model:?}: {problem}")]
    Run {
        /// The backend.
        backend: String,
        /// Name of the model's graph.
        model: String,
        /// What the engine said.
        problem: String,
    },
}
