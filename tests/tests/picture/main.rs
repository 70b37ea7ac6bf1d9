//! A service as a picture, and several as one: where they disagree, and what is no service.

mod disagreements;
mod drawings;
mod merged;
mod services;
