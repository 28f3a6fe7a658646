//! Numbers as people read them.

/// A number with a comma before each three digits.
#[must_use]
pub fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 100_000, 1_234_567].map(counted), ["0", "999", "1,000", "100,000", "1,234,567"]);
    }
}
