//! The store on a real disk.

mod contract;
