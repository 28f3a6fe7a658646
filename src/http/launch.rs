//! What the commands do: the parts are opened in their order, each failure in words, and closed in time.

use super::{
    command_line::{DataOptions, PasswordOptions, ServeOptions, say, typed},
    connection::Connections,
    cross_origin::Origins,
    limits::Limits,
    output_readers::{self, Shared},
    serve::serve,
    state::AppState,
    streams::StreamOptions,
};
use crate::backend::{
    Backend,
    auth::{Auth, AuthError, LINK_MINUTES},
    clock::Clock,
    config::Config,
    data_dir::DataDir,
    drafts::Drafts,
    open_files,
    private_files::{restrict_database, restrict_folder},
    runner::{self, Runners},
    store::{Store, StoreError},
};
use anyhow::{Context, Result, anyhow, bail};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// How long the parts behind the connections may take to stop. Nothing is lost after that: what is committed is committed.
const CLOSING: Duration = Duration::from_millis(200);

/// `kontasks serve`: until SIGTERM or SIGINT.
///
/// # Errors
/// In words: the data folder, the configuration, the database or the address cannot be used, or the token is too short.
pub async fn run_server(options: ServeOptions) -> Result<()> {
    let shutdown = CancellationToken::new();
    stop_on_signals(&shutdown)?;
    let (mut streams, mut limits) = (StreamOptions::default(), Limits::default());
    match open_files::raise() {
        // The rest is for pages, the API, the database and what is run.
        Ok(Some(limit)) => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            streams.most = streams.most.min(limit / 4 * 3);
            limits = limits.within_open_files(limit);
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the number of open files stays limited, and with it that of streams"),
    }
    let data = DataDir::open(&options.at.folder()?)?;
    let config_file = options.config.clone().unwrap_or_else(|| DataDir::config(data.path()));
    let config = Config::load(&config_file, options.config.is_some())?;
    let listener = TcpListener::bind(options.addr)
        .await
        .with_context(|| format!("cannot listen at {}; --addr (or KONTASKS_ADDR) names another address", options.addr))?;
    let address = listener.local_addr()?;

    let clock = Clock::system();
    let database = options.at.database_file(data.path())?;
    restrict_database(&database, data.path())?;
    let store = Store::open_in(data.path(), &database, clock.clone()).await?;
    let auth = Auth::new(store.clone(), clock.clone(), options.token.as_ref())?;
    // Its hash is kept.
    drop(options.token);
    let exe = runner::own_file().context("cannot tell where this program lies")?;
    let runners = Runners::new(store.clone(), config.runners, data.path(), exe, shutdown.clone());
    runners.watch_space(config.max_data).await;
    runners.resume().await?;
    look_for_damage(store.clone());
    let backend = Backend { store: store.clone(), runners: runners.clone(), clock, drafts: Drafts::default() };
    let mut state = AppState::new(backend, auth.clone(), &config.hosts, &streams, shutdown);
    state.origins = Origins::new(&config.origins);
    state.connections = Connections::new(limits);
    state.configured_in = Some(std::path::absolute(&config_file).unwrap_or(config_file).into());

    data.announce(address).context("cannot write down the address in the data folder")?;
    let way_in = way_in(&auth, address, &options.at).await?;
    say(&format!("Kontasks listens on http://{address}"));
    if let Some(way_in) = way_in {
        say(&format!("Sign in: {way_in}"));
    }
    if !address.ip().is_loopback() {
        tracing::warn!(
            "listening beyond this machine without TLS: whoever is on the way can read and sign in; put a TLS proxy in front, or use --addr 127.0.0.1:{}",
            address.port()
        );
    }
    serve(listener, state).await;
    let _ = tokio::time::timeout(CLOSING, async {
        runners.stop().await;
        store.close().await;
    })
    .await;
    Ok(())
}

/// How to sign in, for whoever reads standard output: by a link, or where others read it too, by the command that prints
/// one. None where there is no room for a link.
async fn way_in(auth: &Auth, address: SocketAddr, at: &DataOptions) -> Result<Option<String>> {
    if let Some(shared) = output_readers::of_stdout() {
        let others = match shared {
            Shared::Journal => "the journal keeps this line",
            Shared::Container => "the container's log keeps this line",
            Shared::File => "other users can read this file",
        };
        return Ok(Some(format!("{} prints a link ({others}, so none is printed here)", at.sign_in_command())));
    }
    match auth.issue_link().await {
        Ok(link) => Ok(Some(sign_in_url(address, link.reveal()))),
        // No reason to stay away: what runs is to be taken up, and pages say how it stands.
        Err(AuthError::Store(StoreError::Full)) => {
            tracing::warn!("the disk is full, so there is no sign-in link: `{}` makes one when there is room", at.sign_in_command());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// `kontasks sign-in-link`: for the server that runs, or will run, with that data folder.
///
/// # Errors
/// In words: there is no server's data in that folder, or its database cannot be used.
pub async fn print_sign_in_link(at: DataOptions) -> Result<()> {
    let (store, auth, address) = beside_the_server(&at).await?;
    let link = auth.issue_link().await?;
    store.close().await;
    say(&sign_in_url(address, link.reveal()));
    tracing::info!("good for {LINK_MINUTES} minutes and one sign-in");
    Ok(())
}

/// `kontasks password`: for the server that runs, or will run, with that data folder.
///
/// # Errors
/// In words: the password is too short, or was typed in two ways; there is no server's data in that folder, or its database cannot be used.
pub async fn change_password(options: PasswordOptions) -> Result<()> {
    let (store, auth, _) = beside_the_server(&options.at).await?;
    let done = if !options.remove {
        auth.set_password(typed::new_password()?).await?;
        "The password is set. Browsers can sign in by it from now on."
    } else if auth.remove_password().await? {
        "The password is removed. Browsers sign in by a link, which `kontasks sign-in-link` prints."
    } else {
        "There was no password."
    };
    say(done);
    if options.sign_out_all {
        say(&format!("Signed out: {} browser(s).", auth.sign_out_all(None).await?));
    }
    store.close().await;
    Ok(())
}

/// The database of a server that runs, or has run, and where it listens.
async fn beside_the_server(at: &DataOptions) -> Result<(Store, Auth, SocketAddr)> {
    let folder = at.folder()?;
    let Some(address) = DataDir::server(&folder).and_then(|note| note.address) else {
        bail!("no server has been started with the data folder {}; name another with --data", folder.display());
    };
    let folder = folder.canonicalize()?;
    restrict_folder(&folder)?;
    let database = at.database_file(&folder)?;
    restrict_database(&database, &folder)?;
    let clock = Clock::system();
    let store = Store::open(&database, clock.clone()).await?;
    let auth = Auth::new(store.clone(), clock, None)?;
    Ok((store, auth, address))
}

/// Where a browser on this machine opens the link.
fn sign_in_url(address: SocketAddr, secret: &str) -> String {
    let mut reachable = address;
    if address.ip().is_unspecified() {
        reachable.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{reachable}/sign-in?token={secret}")
}

/// Beside everything else, as it takes long where there is much.
fn look_for_damage(store: Store) {
    tokio::spawn(async move {
        match store.look_for_damage().await {
            // What it found it has said.
            Ok(()) | Err(StoreError::Damaged) => {}
            Err(error) => tracing::warn!("the database could not be looked through for damage: {error}"),
        }
    });
}

fn stop_on_signals(shutdown: &CancellationToken) -> Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|error| anyhow!("cannot listen for signals: {error}"))?;
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            signals.recv().await;
            shutdown.cancel();
            tracing::info!("stopping");
        });
    }
    Ok(())
}
