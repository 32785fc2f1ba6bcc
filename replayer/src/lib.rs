//! The replayer: reads a journal and brings a target cluster to the state of the source.
#![forbid(unsafe_code)]
#![allow(dead_code)]

mod captured;
mod connections;
mod lowwater;
mod numbering;
mod offsets;
mod schedule;
mod settings;
mod stream;
