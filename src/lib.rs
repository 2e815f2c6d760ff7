//! Gateway
