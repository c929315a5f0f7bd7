//! `Builder`: a node described, then started. The place where settings, socket, store and clock meet.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use khashmir_krpc::{Transport, UdpTransport};
use khashmir_storage::{MemoryStorage, RedbStorage, Storage};
use rand::TryRng;
use rand::rngs::SysRng;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::command::MAX_COMMANDS;
use crate::driver::Driver;
use crate::engine::{Engine, EngineError};
use crate::{Khashmir, Scope, Settings, StartError};

/// The original's port.
const DEFAULT_PORT: u16 = 9977;

/// The file in a state directory.
const STORE_FILE: &str = "khashmir.redb";

/// A node to be started. Without any choice: bound to all addresses at the original's port 9977, everything
/// kept in memory, contacts at public addresses only.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    bind: SocketAddr,
    state: Option<PathBuf>,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT));
        Self { bind, state: None, settings: Settings::default() }
    }
}

impl Builder {
    /// Binds the node to this IPv4 address; port 0 takes any free one. A loopback or private address also
    /// admits contacts of that kind, see [`Scope::of`].
    pub fn bind(mut self, addr: SocketAddr) -> Self {
        self.bind = addr;
        self
    }

    /// Keeps values, id and contacts in this directory, which is made if it does not exist. One node at a time
    /// can use it.
    pub fn state(mut self, directory: impl AsRef<Path>) -> Self {
        self.state = Some(directory.as_ref().to_owned());
        self
    }

    /// Uses these settings instead of the defaults.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the node on the current tokio runtime. It serves from now on, but knows nobody: see
    /// [`Khashmir::join`].
    ///
    /// # Errors
    /// If the address cannot be bound, the store not opened, or a setting cannot work.
    pub async fn start(self) -> Result<Khashmir, StartError> {
        if !self.bind.is_ipv4() {
            return Err(StartError::NotIpv4 { addr: self.bind });
        }
        self.settings.validate()?;
        let transport = UdpTransport::bind(self.bind).await;
        let transport = Arc::new(transport.map_err(|source| StartError::Bind { addr: self.bind, source })?);
        match &self.state {
            None => self.start_with(MemoryStorage::new(), transport),
            Some(directory) => {
                let storage = open(directory).await?;
                self.start_with(storage, transport)
            }
        }
    }

    /// Starts the node over a storage and a transport of the caller's.
    ///
    /// # Errors
    /// If the transport has no address, the store cannot be read, or a setting cannot work.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start_with<S: Storage + 'static>(
        mut self,
        storage: S,
        transport: Arc<dyn Transport>,
    ) -> Result<Khashmir, StartError> {
        let local_addr =
            transport.local_addr().map_err(|source| StartError::Bind { addr: self.bind, source })?;
        self.settings.scope = self.settings.scope.or(Scope::of(local_addr.ip()));
        self.settings.calls.is_loopback_exempt |= self.settings.scope.loopback;
        let clock = Clock::start();
        let mut engine = Engine::new(storage, self.settings, seed()?, clock.now())?;
        if !local_addr.ip().is_unspecified() {
            engine.add_own_addr(local_addr);
        }
        let (commands, inbox) = mpsc::channel(MAX_COMMANDS);
        let (ended, alive) = watch::channel(());
        let handle = Khashmir { commands, id: engine.id(), local_addr, alive };
        tokio::spawn(async move {
            Driver::new(engine, transport, clock, inbox).run().await;
            // Socket and store are closed now.
            drop(ended);
        });
        Ok(handle)
    }
}

/// Opens the store in a state directory, where blocking is allowed.
#[expect(clippy::expect_used, reason = "no peer has a part in it")]
async fn open(directory: &Path) -> Result<RedbStorage, StartError> {
    let directory = directory.to_owned();
    let opened = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&directory)
            .map_err(|source| StartError::State { path: directory.clone(), source })?;
        Ok(RedbStorage::open(directory.join(STORE_FILE))?)
    });
    opened.await.expect("opening a store does not panic, and nobody cancels it")
}

/// What all randomness of a node comes from.
fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    SysRng.try_fill_bytes(&mut seed).map_err(|error| StartError::Randomness(error.to_string()))?;
    Ok(seed)
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Settings(error) => Self::Settings(error),
            EngineError::Storage(error) => Self::Storage(error),
        }
    }
}
