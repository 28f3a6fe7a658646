//! `fixed`: an element's attributes that never change, given as data: `<input {..fixed(&[("name", "scope")])}/>`. Written one by one
//! beside an attribute that does change, each of their names brings the framework's code for an attribute along.

use leptos::attr::{
    any_attribute::{AnyAttribute, IntoAnyAttribute},
    custom::custom_attribute,
};

/// The attributes, by name and value.
#[must_use]
pub fn fixed(attributes: &[(&'static str, &'static str)]) -> Vec<AnyAttribute> {
    attributes.iter().map(|(name, value)| custom_attribute(*name, *value).into_any_attr()).collect()
}
