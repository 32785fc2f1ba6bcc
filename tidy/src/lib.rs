//! What ARCHITECTURE.md says about the workspace, as tests. There is nothing here to call.

#![forbid(unsafe_code)]
