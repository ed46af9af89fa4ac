//! What others can cause by asking for channels: ids that come back, and records without end.

mod ids;
mod strangers;
