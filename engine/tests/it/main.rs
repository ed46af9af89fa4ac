//! Integration tests

mod vectors;
