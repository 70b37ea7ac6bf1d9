//! The topology as an AsyncAPI document: its parts, that it is stable, and that the official parser
//! takes it.

mod messages;
mod operations;
mod parser;
mod shop;
