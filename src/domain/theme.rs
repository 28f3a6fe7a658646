//! Whether pages are light or dark: as the system says, or as a person has chosen for this browser.

/// A choice of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system of the browser says.
    #[default]
    System,
    /// Light, whatever the system says.
    Light,
    /// Dark, whatever the system says.
    Dark,
}

impl Theme {
    /// All that can be chosen.
    pub const ALL: [Theme; 3] = [Theme::System, Theme::Light, Theme::Dark];

    /// `system`, `light`, `dark`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Theme> {
        Theme::ALL.into_iter().find(|theme| theme.as_str() == word)
    }

    /// What `<html data-theme>` says; nothing where the system decides.
    #[must_use]
    pub fn attribute(self) -> Option<&'static str> {
        (self != Theme::System).then_some(self.as_str())
    }

    /// What `<meta name="color-scheme">` says, which counts before the styles have come.
    #[must_use]
    pub fn color_scheme(self) -> &'static str {
        match self {
            Theme::System => "light dark",
            Theme::Light | Theme::Dark => self.as_str(),
        }
    }
}
