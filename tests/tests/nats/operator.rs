//! An operator of NATS, with an account and a user: what `nsc` would write, by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// Who certifies accounts, which certify users.
pub(super) struct Operator {
    key: KeyPair,
    account: KeyPair,
    /// The server's own, without which there is no `JetStream`.
    system: KeyPair,
}

impl Operator {
    pub(super) fn new() -> Operator {
        Operator {
            key: KeyPair::new_operator(),
            account: KeyPair::new_account(),
            system: KeyPair::new_account(),
        }
    }

    /// What the server is told.
    pub(super) fn configuration(&self) -> String {
        let operator = self.certify(&self.key, &json!({"type": "operator", "version": 2}));
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1,
            "consumer": -1,
        });
        let account = json!({"type": "account", "version": 2, "limits": limits});
        let system = json!({"type": "account", "version": 2});
        let (account, system) = (
            self.certify(&self.account, &account),
            self.certify(&self.system, &system),
        );
        format!(
            "operator: {operator}\n\
             system_account: {}\n\
             resolver: MEMORY\n\
             resolver_preload: {{ {}: {account}, {}: {system} }}",
            self.system.public_key(),
            self.account.public_key(),
            self.system.public_key(),
        )
    }

    fn certify(&self, who: &KeyPair, what: &Value) -> String {
        certify(&self.key, who, what)
    }

    /// The credentials file of a user.
    pub(super) fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let what = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
        let certificate = certify(&self.account, &user, &what);
        let seed = user.seed().expect("a seed");
        format!(
            "-----BEGIN NATS USER JWT-----\n{certificate}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// A JSON web token, as NATS has it.
fn certify(by: &KeyPair, who: &KeyPair, what: &Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let claims = json!({
        "jti": who.public_key(),
        "iat": now.expect("after 1970").as_secs(),
        "iss": by.public_key(),
        "sub": who.public_key(),
        "name": "tests",
        "nats": what,
    });
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = by.sign(signed.as_bytes()).expect("signed");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
