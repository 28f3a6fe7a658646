//! The runners, to be read: they are configured in a file.

use super::Section;
use crate::domain::visible_text::visible;
use leptos::prelude::*;

/// A runner.
#[derive(Clone, Debug)]
pub struct RunnerRow {
    /// What it is chosen by.
    pub name: String,
    /// What it starts, a part each; none where it is the user's shell.
    pub command: Option<Vec<String>>,
    /// Where it starts it.
    pub folder: Option<String>,
}

/// The list.
#[component]
pub fn RunnersSection(
    /// The runners, the default first.
    runners: Vec<RunnerRow>,
    /// Where they are configured.
    configured_in: Option<String>,
) -> impl IntoView {
    let rows = runners.into_iter().map(|RunnerRow { name, command, folder }| {
        let command = match command {
            Some(parts) => {
                view! { <code>{visible(&parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" "))}</code> }.into_any()
            }
            None => "The prompt, in your shell".into_any(),
        };
        view! {
            <li>
                <div>
                    <p class="settings-name">{name}</p>
                    <p class="page-meta">
                        <span>{command}</span>
                        {folder.map(|folder| view! { <span>"in "<code>{visible(&folder)}</code></span> })}
                    </p>
                </div>
            </li>
        }
    });
    view! {
        <Section id="runners" name="Runners">
            <ul class="settings-list">{rows.collect_view()}</ul>
            {configured_in
                .map(|file| {
                    view! { <p class="settings-note">"Configured in "<code>{visible(&file)}</code>", which the server reads when it starts."</p> }
                })}
        </Section>
    }
}

/// As one would type it: what a shell would take apart stands in quotes.
fn quoted(part: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+./:,@%{}~".contains(c);
    if !part.is_empty() && part.chars().all(is_plain) { part.to_owned() } else { format!("'{}'", part.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reads_as_it_would_be_typed() {
        let typed = ["claude", "-p", "{prompt}", "two words", "it's", ""].map(quoted).join(" ");
        assert_eq!(typed, r"claude -p {prompt} 'two words' 'it'\''s' ''");
    }
}
