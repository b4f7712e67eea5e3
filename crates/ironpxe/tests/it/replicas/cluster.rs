//! Three of everything, and proxies that inject network faults: what the chaos test breaks.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::postgres::Postgres;
use ironpxe_testkit::proxy::{Mode, Proxy};
use ironpxe_testkit::server::{Server, ServerOptions};

/// A process, and how it is started again at the same address.
struct Part {
    options: ServerOptions,
    server: Server,
}

impl Part {
    fn start(options: ServerOptions) -> Result<Self> {
        let server = crate::app::start(&options)?;
        Ok(Self { options, server })
    }

    fn restart(&mut self) -> Result<()> {
        self.server = crate::app::start(&self.options)?;
        Ok(())
    }
}

/// APIs, conductors and a PostgreSQL server of their own.
pub(super) struct Cluster {
    apis: Vec<Part>,
    conductors: Vec<Part>,
    /// The way from every API to each conductor.
    to_conductors: Vec<Proxy>,
    /// The way from the first API to the database.
    to_database: Proxy,
    postgres: Postgres,
    database: String,
}

impl Cluster {
    /// Starts `count` APIs and as many conductors. `None` where there is no PostgreSQL.
    pub(super) fn start(count: usize) -> Result<Option<Self>> {
        if Postgres::shared().is_none() {
            return Ok(None);
        }
        let postgres = Postgres::start()?;
        let database = crate::database::Database::create(&postgres)?;
        let to_database = Proxy::start(SocketAddr::from(([127, 0, 0, 1], postgres.port)))?;
        let mut cluster = Self {
            apis: Vec::new(),
            conductors: Vec::new(),
            to_conductors: Vec::new(),
            to_database,
            postgres,
            database,
        };
        for number in 0..count {
            let port = Server::free_port()?;
            let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], port)))?;
            let options = cluster.options("conductor", number, port);
            cluster.conductors.push(Part::start(options)?);
            cluster.to_conductors.push(proxy);
            cluster.reroute(number)?;
        }
        for number in 0..count {
            let mut options = cluster.options("api", number, Server::free_port()?);
            if number == 0 {
                let url = cluster.postgres.url(&cluster.database);
                let direct = format!(":{}/", cluster.postgres.port);
                let through = format!(":{}/", cluster.to_database.address().port());
                ensure!(url.contains(&direct), "no port in {url}");
                options = options.database(url.replace(&direct, &through));
            }
            cluster.apis.push(Part::start(options)?);
        }
        Ok(Some(cluster))
    }

    fn options(&self, role: &'static str, number: usize, port: u16) -> ServerOptions {
        let options = ServerOptions::default()
            .role(role)
            .listen(format!("127.0.0.1:{port}"))
            .database(self.postgres.url(&self.database));
        options
            .set("IRONPXE_DEFAULT__HOST", format!("{role}-{number}"))
            .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://boot.example:6385")
            .set("IRONPXE_CONDUCTOR__HEARTBEAT_INTERVAL", "1")
            .set("IRONPXE_CONDUCTOR__HEARTBEAT_TIMEOUT", "5")
    }

    /// Has APIs reach a conductor through its proxy. It registers under its own address whenever
    /// it starts.
    fn reroute(&self, number: usize) -> Result<()> {
        let proxy = self.to_conductors.get(number).context("no such proxy")?;
        let sql = format!(
            "UPDATE conductors SET endpoint = '{}' WHERE hostname = 'conductor-{number}' \
             RETURNING 1",
            proxy.address()
        );
        let changed = self.postgres.sql(&self.database, &sql)?;
        ensure!(changed == "1", "conductor-{number} is not registered");
        Ok(())
    }

    /// Where the APIs are.
    pub(super) fn apis(&self) -> Vec<String> {
        self.apis
            .iter()
            .map(|api| api.server.base_url().to_owned())
            .collect()
    }

    /// An operator at an API.
    pub(super) fn operator(&self, api: usize) -> Result<Ironic> {
        let api = self.apis.get(api).context("no such API")?;
        Ironic::new(api.server.base_url())
    }

    pub(super) fn kill_api(&mut self, number: usize) -> Result<()> {
        let api = self.apis.get_mut(number).context("no such API")?;
        api.server.kill().map(drop)
    }

    pub(super) fn start_api(&mut self, number: usize) -> Result<()> {
        self.apis.get_mut(number).context("no such API")?.restart()
    }

    pub(super) fn api(&self, number: usize) -> Result<&Server> {
        Ok(&self.apis.get(number).context("no such API")?.server)
    }

    pub(super) fn kill_conductor(&mut self, number: usize) -> Result<()> {
        let conductor = self.conductors.get_mut(number).context("none")?;
        conductor.server.kill().map(drop)
    }

    pub(super) fn start_conductor(&mut self, number: usize) -> Result<()> {
        self.conductors.get_mut(number).context("none")?.restart()?;
        self.reroute(number)
    }

    pub(super) fn conductor(&self, number: usize) -> Result<&Server> {
        Ok(&self.conductors.get(number).context("none")?.server)
    }

    /// Sets the proxy from the APIs to one conductor.
    pub(super) fn set_conductor_proxy(&self, number: usize, mode: Mode) -> Result<()> {
        self.to_conductors.get(number).context("none")?.set(mode);
        Ok(())
    }

    /// Sets the proxies from the APIs to all conductors.
    pub(super) fn set_conductor_proxies(&self, mode: Mode) {
        for proxy in &self.to_conductors {
            proxy.set(mode);
        }
    }

    /// Sets the proxy from the first API to the database.
    pub(super) fn set_database_proxy(&self, mode: Mode) {
        self.to_database.set(mode);
    }

    pub(super) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// Whether every API says that it is ready, and every conductor counts as alive.
    pub(super) fn is_whole(&self) -> bool {
        let ready = (0..self.apis.len()).all(|number| {
            let answer = self
                .operator(number)
                .and_then(|client| client.get("/readyz"));
            answer.is_ok_and(|answer| answer.status == 200)
        });
        ready && self.all_alive().unwrap_or(false)
    }

    fn all_alive(&self) -> Result<bool> {
        let list = self.operator(0)?.get("/v1/conductors")?;
        let list = list.expect_status(200)?;
        let alive = list
            .get("conductors")
            .and_then(|it| it.as_array())
            .into_iter()
            .flatten()
            .filter(|conductor| conductor.get("alive") == Some(&true.into()))
            .count();
        Ok(alive == self.conductors.len())
    }
}
