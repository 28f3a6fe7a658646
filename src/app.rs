//! The shell around every page, and the route table.

use crate::{
    domain::theme::Theme,
    ui::{
        components::{form_token::FormTokenMeta, header::Header},
        hooks::live::provide_live,
        markup::{MetaTags, SiteTitle, provide_meta_context},
        pages::{board::BoardRoute, dashboard::DashboardPage, not_found::NotFoundPage, run::RunRoute, task::TaskRoute},
    },
};
use leptos::prelude::*;
use leptos_router::{
    Lazy, SsrMode,
    components::{FlatRoutes, Route, Router},
    path,
};

/// The document around [`App`], as the server writes it. The theme stands outside of what the browser makes live, and before the styles.
pub fn shell(options: LeptosOptions, theme: Theme) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=theme.attribute()>
            <head>
                <DocumentHead options=options.clone() theme/>
                <FormTokenMeta/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// What the head of every document has: it fits a phone, is light or dark from the start, and takes nothing from another host.
#[component]
pub fn DocumentHead(
    /// Where the assets lie.
    options: LeptosOptions,
    /// Light, dark, or as the system says.
    theme: Theme,
) -> impl IntoView {
    view! {
        <meta charset="utf-8"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="color-scheme" content=theme.color_scheme()/>
        <link rel="icon" type="image/svg+xml" href="/favicon.svg"/>
        <link rel="stylesheet" href=format!("/{}/{}.css", options.site_pkg_dir, options.output_name)/>
    }
}

/// The application: the header that stays, and the page that the address names.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    provide_live();
    view! {
        <SiteTitle/>
        <Router>
            <a class="skip-link" href="#main">"Skip to content"</a>
            <Header/>
            <main id="main" tabindex="-1">
                <FlatRoutes fallback=NotFoundPage>
                    <Route path=path!("/") view=DashboardPage ssr=SsrMode::Async/>
                    <Route path=path!("/tasks") view={Lazy::<BoardRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/tasks/:id") view={Lazy::<TaskRoute>::new()} ssr=SsrMode::Async/>
                    <Route path=path!("/runs/:id") view={Lazy::<RunRoute>::new()} ssr=SsrMode::Async/>
                </FlatRoutes>
            </main>
        </Router>
    }
}
