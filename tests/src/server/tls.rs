//! Certificates that are made for one server.

use std::fs;

use super::directory::Directory;
use super::tool::{run, run_and_tell};

const KEY: &str = "ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// An authority of a test's own, and what it has signed: a certificate of `localhost` and `127.0.0.1` for the server, and one
/// for a client. All of them are PEM files.
pub struct Tls {
    directory: Directory,
}

impl Tls {
    /// Makes them.
    ///
    /// # Panics
    ///
    /// When openssl(1) does not.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let tls = Self { directory: Directory::new("tls") };
        tls.make("ca", "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign");
        tls.make_signed("server", "-addext subjectAltName=DNS:localhost,IP:127.0.0.1");
        tls.make_signed("client", "-addext extendedKeyUsage=clientAuth,serverAuth");
        tls.put_together();
        tls
    }

    /// What a server that speaks TLS answers before it closes the connection.
    pub(super) fn ask(&self, port: u16, question: &str) -> Option<String> {
        let connect = format!("127.0.0.1:{port}");
        let options =
            ["s_client", "-quiet", "-verify_return_error", "-CAfile", &self.ca(), "-connect", &connect];
        run_and_tell("openssl", &options, question).ok()
    }

    /// The certificate of the authority.
    pub fn ca(&self) -> String {
        self.directory.file("ca.pem")
    }

    /// The certificate of the server.
    pub fn certificate(&self) -> String {
        self.directory.file("server.pem")
    }

    /// The key of the server.
    pub fn key(&self) -> String {
        self.directory.file("server.key")
    }

    /// The key and the certificate of the server in one file, as Java wants them.
    pub fn pair(&self) -> String {
        self.directory.file("pair.pem")
    }

    /// The certificate of a client.
    pub fn client_certificate(&self) -> String {
        self.directory.file("client.pem")
    }

    /// The key of a client.
    pub fn client_key(&self) -> String {
        self.directory.file("client.key")
    }

    fn put_together(&self) {
        let read = |path| fs::read_to_string(path).expect("it was made");
        let both = read(self.key()) + &read(self.certificate());
        fs::write(self.pair(), both).expect("a file can be written");
    }

    #[track_caller]
    fn make_signed(&self, name: &str, more: &str) {
        let authority = format!("-CA {} -CAkey {}", self.ca(), self.directory.file("ca.key"));
        self.make(name, &format!("-addext basicConstraints=critical,CA:FALSE {authority} {more}"));
    }

    #[track_caller]
    fn make(&self, name: &str, more: &str) {
        let (key, certificate) =
            (self.directory.file(&format!("{name}.key")), self.directory.file(&format!("{name}.pem")));
        let options = format!("req -x509 -days 2 -newkey {KEY} -keyout {key} -out {certificate} {more}");
        let mut options: Vec<_> = options.split(' ').collect();
        let subject = format!("/CN={name} of lockutils-tests");
        options.extend(["-subj", &subject]);
        run("openssl", &options).unwrap_or_else(|error| panic!("{error}"));
    }
}
