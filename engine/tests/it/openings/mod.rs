//! What others can cause by asking for channels: ids that come back, and records without end.

mod answers;
mod ids;
mod quotas;
mod strangers;
mod terms;
