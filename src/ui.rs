//! What a person sees and touches. It knows the domain and the server functions only.

pub mod components;
pub mod console;
pub mod hooks;
pub mod markup;
pub mod pages;
