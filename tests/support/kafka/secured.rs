//! A broker with a second listener, where clients have to sign in.

use super::{cluster::Cluster, install::java, node};

/// SASL module of the broker for tokens that nobody signed: whoever knows an endpoint may hand them
/// out, which is all that a test needs.
const TOKENS: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
     unsecuredLoginStringClaim_sub=\"broker\" unsecuredValidatorAllowableClockSkewMs=\"1000\";";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required;";

/// One broker that takes OAUTHBEARER and SCRAM-SHA-256 beside its open listener. A connection ends
/// when its token expires, unless its client signs in again.
pub struct Secured {
    cluster: Cluster,
    port: u16,
}

impl Secured {
    /// Starts it, with this SCRAM user.
    pub fn start(user: &str, password: &str) -> Self {
        let port = node::free_port();
        let listeners = format!("{{}},SASL_PLAINTEXT://127.0.0.1:{port}");
        let listener =
            |mechanism: &str| format!("listener.name.sasl_plaintext.{mechanism}.sasl.jaas.config");
        let cluster = Cluster::start(
            1,
            &[
                ("listeners", &listeners),
                ("advertised.listeners", &listeners),
                ("sasl.enabled.mechanisms", "OAUTHBEARER,SCRAM-SHA-256"),
                ("connections.max.reauth.ms", "3600000"),
                (&listener("oauthbearer"), TOKENS),
                (&listener("scram-sha-256"), SCRAM),
            ],
        );
        let password = format!("SCRAM-SHA-256=[iterations=4096,password={password}]");
        let arguments = [
            ["kafka.admin.ConfigCommand", "--bootstrap-server", &cluster.bootstrap()],
            ["--entity-type", "users", "--alter"],
            ["--entity-name", user, "--add-config"],
        ];
        let mut arguments = arguments.concat();
        arguments.push(&password);
        java(&arguments, "");
        Self { cluster, port }
    }

    /// Where nobody has to sign in.
    pub fn open(&self) -> String {
        self.cluster.bootstrap()
    }

    /// Where everybody has to.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
