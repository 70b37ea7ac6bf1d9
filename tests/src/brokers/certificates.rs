//! TLS among friends.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};

use super::{Folder, USER};

/// A private authority, and what it certified: a server named `localhost` and `127.0.0.1`, and a
/// client named [`USER`](super::USER). All of them files in PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    authority: PathBuf,
    server: PathBuf,
    key: PathBuf,
    both: PathBuf,
    client: PathBuf,
    client_key: PathBuf,
}

impl Certificates {
    pub(crate) fn new(folder: &Folder) -> Certificates {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "fanfare's authority for tests");
        let authority = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);

        let key = KeyPair::generate().expect("a key");
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let server = params.signed_by(&key, &issuer).expect("a certificate");
        let (server, key) = (server.pem(), key.serialize_pem());

        let client_key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, USER);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = params
            .signed_by(&client_key, &issuer)
            .expect("a certificate");
        Certificates {
            client: folder.write("client.pem", &client.pem()),
            client_key: folder.write("client-key.pem", &client_key.serialize_pem()),
            authority: folder.write("authority.pem", &authority.pem()),
            both: folder.write("both.pem", &format!("{key}{server}")),
            server: folder.write("server.pem", &server),
            key: folder.write("key.pem", &key),
        }
    }

    /// The authority, which clients are to trust.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// The server's certificate.
    pub fn server(&self) -> &Path {
        &self.server
    }

    /// The server's secret key.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The client's certificate, and its secret key.
    pub fn client(&self) -> (&Path, &Path) {
        (&self.client, &self.client_key)
    }

    /// The server's key and certificate in one file.
    pub(crate) fn both(&self) -> &Path {
        &self.both
    }
}
