//! Reading JSON that has been taken apart already: an object's members one by one, each by its name. What crosses the wire is read
//! here and not by serde's derives, since the page's wasm would carry a reader of maps and sequences for each type.

use serde_json::{Map, Value};
use std::fmt;

/// A type that is read from JSON. It is the type's only reader: where serde asks for one as well, the macro `deserialize_by_reading` leads
/// it here.
pub trait Read: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// It is not of that type; a member of it is missing or of another type.
    fn read(value: Value) -> Result<Self, Unreadable>;

    /// What an absent member stands for, where it may be absent.
    #[must_use]
    fn absent() -> Option<Self> {
        None
    }
}

/// What could not be read, and what it has to be. It is made of constants, so that a page which never shows it pays little for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The innermost member, as JSON names it; empty where the value itself is meant.
    pub member: &'static str,
    /// What is wrong with it: "is missing", "must be text".
    pub problem: &'static str,
}

impl Unreadable {
    /// A value that is not what it has to be.
    #[must_use]
    pub const fn value(problem: &'static str) -> Self {
        Unreadable { member: "", problem }
    }

    fn within(self, member: &'static str) -> Self {
        Unreadable { member: if self.member.is_empty() { member } else { self.member }, ..self }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.member.is_empty() { "the value" } else { self.member })?;
        f.write_str(" ")?;
        f.write_str(self.problem)
    }
}

impl std::error::Error for Unreadable {}

/// Takes JSON text apart. Everything that reaches a page goes through here, so that there is one reader of text.
///
/// # Errors
/// The text is not JSON.
pub fn parse(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|_| Unreadable::value("must be JSON"))
}

/// The same of text that came as bytes.
///
/// # Errors
/// They are not text, or the text is not JSON.
pub fn parse_bytes(text: &[u8]) -> Result<Value, Unreadable> {
    // Not `from_slice`: its reader is another one than that of text, and as large.
    parse(std::str::from_utf8(text).unwrap_or_default())
}

/// The members of one object that are not read yet. A list, since a removal from a map is more code than all that is done here.
pub struct Members(Vec<(String, Value)>);

impl Members {
    /// The members of an object.
    ///
    /// # Errors
    /// The value is no object.
    pub fn of(value: Value) -> Result<Self, Unreadable> {
        match value {
            Value::Object(members) => Ok(Members(members.into_iter().collect())),
            _ => Err(Unreadable::value("must be an object")),
        }
    }

    /// Reads a member.
    ///
    /// # Errors
    /// It is missing and may not be, or it cannot be read.
    pub fn take<T: Read>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        match self.remove(name) {
            Some(value) => T::read(value).map_err(|error| error.within(name)),
            None => T::absent().ok_or(Unreadable { member: name, problem: "is missing" }),
        }
    }

    /// Reads a member that stands for its type's default where it is absent. (Null is not absent.)
    ///
    /// # Errors
    /// It cannot be read.
    pub fn take_or_default<T: Read + Default>(&mut self, name: &'static str) -> Result<T, Unreadable> {
        match self.remove(name) {
            Some(value) => T::read(value).map_err(|error| error.within(name)),
            None => Ok(T::default()),
        }
    }

    /// The members that nobody took, for a type that keeps what it does not know.
    #[must_use]
    pub fn rest(self) -> Map<String, Value> {
        let mut rest = Map::new();
        // One by one: collecting sorts and builds the map anew, which is code that nothing else needs.
        for (name, value) in self.0 {
            rest.insert(name, value);
        }
        rest
    }

    fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// Nothing is written as null.
impl Read for () {
    fn read(value: Value) -> Result<Self, Unreadable> {
        value.as_null().ok_or(Unreadable::value("must be null"))
    }
}

impl Read for String {
    fn read(value: Value) -> Result<Self, Unreadable> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(Unreadable::value("must be text")),
        }
    }
}

impl Read for bool {
    fn read(value: Value) -> Result<Self, Unreadable> {
        value.as_bool().ok_or(Unreadable::value("must be true or false"))
    }
}

impl Read for u64 {
    fn read(value: Value) -> Result<Self, Unreadable> {
        value.as_u64().ok_or(Unreadable::value("must be a whole number, 0 or more"))
    }
}

impl Read for u16 {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or(Unreadable::value("must be a whole number from 0 to 65535"))
    }
}

impl Read for i32 {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let number = value.as_i64().and_then(|number| number.try_into().ok());
        number.ok_or(Unreadable::value("must be a whole number of 32 bits"))
    }
}

/// Null and absence are none.
impl<T: Read> Read for Option<T> {
    fn read(value: Value) -> Result<Self, Unreadable> {
        if value.is_null() { Ok(None) } else { T::read(value).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: Value) -> Result<Self, Unreadable> {
        let Value::Array(values) = value else { return Err(Unreadable::value("must be a list")) };
        let mut list = Vec::with_capacity(values.len());
        for value in values {
            list.push(T::read(value)?);
        }
        Ok(list)
    }
}

/// Lets serde read a type by its [`Read`], where the server needs it inside of a type that serde reads.
macro_rules! deserialize_by_reading {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <serde_json::Value as serde::Deserialize>::deserialize(deserializer)?;
                <$type as $crate::domain::members::Read>::read(value).map_err(serde::de::Error::custom)
            }
        }
    )+};
}
pub(crate) use deserialize_by_reading;

#[cfg(test)]
pub(crate) mod tests;
