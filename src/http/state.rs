//! What every request shares.

use super::{
    connection::Connections,
    cross_origin::Origins,
    limits::Limits,
    security::Hosts,
    standing::Standings,
    streams::{StreamOptions, Streams},
};
use crate::backend::{Backend, auth::Auth};
use axum::extract::FromRef;
use leptos::config::LeptosOptions;
use std::{path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

/// What every request shares; a cheap clone.
#[derive(Clone)]
pub struct AppState {
    /// Store, runners and clock.
    pub backend: Backend,
    /// Sign-in.
    pub auth: Auth,
    /// Where pages find their assets.
    pub leptos: LeptosOptions,
    /// Under which names the board answers.
    pub hosts: Hosts,
    /// Pages of which other origins may use the API.
    pub origins: Origins,
    /// The file that says which runners there are, where that is known.
    pub configured_in: Option<Arc<Path>>,
    /// The open connections, and what one client may take.
    pub connections: Connections,
    /// The callers that have something under way.
    pub standings: Standings,
    /// The open streams.
    pub streams: Streams,
    /// Which build of the page this server sends.
    pub build: Arc<str>,
    /// Cancelled when the server is to stop.
    pub shutdown: CancellationToken,
}

impl AppState {
    /// Puts together what the parts are. `hosts` are the names besides addresses and `localhost` under which the board answers.
    #[must_use]
    pub fn new(backend: Backend, auth: Auth, hosts: &[String], streams: &StreamOptions, shutdown: CancellationToken) -> Self {
        let build: Arc<str> = super::assets::build_id().into();
        let leptos = LeptosOptions::builder().output_name("kontasks").site_pkg_dir(format!("pkg/{build}")).build();
        let standings = Standings::new(auth.clone());
        let streams = Streams::new(streams, standings.clone(), backend.runners.shortage(), shutdown.clone());
        AppState {
            backend,
            auth,
            leptos,
            hosts: Hosts::new(hosts),
            origins: Origins::default(),
            configured_in: None,
            connections: Connections::new(Limits::default()),
            standings,
            streams,
            build,
            shutdown,
        }
    }
}

impl FromRef<AppState> for LeptosOptions {
    fn from_ref(state: &AppState) -> Self {
        state.leptos.clone()
    }
}
