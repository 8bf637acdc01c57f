//! Thirty merchants and how they behave.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::model::{Key, Secret, SecretBytes};

/// How a merchant answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// 200 at once.
    Prompt,
    /// 200 after a while.
    Slow,
    /// 503 to the first two attempts of each event, then 200.
    FailsTwice,
    /// 410 always.
    Refuses,
    /// Never answers.
    BlackHole,
}

/// A merchant of the demonstration.
#[derive(Debug)]
pub struct Player {
    /// Its merchant id.
    pub id: String,
    /// How it answers.
    pub manner: Manner,
    /// What signs its requests.
    pub secret: Secret,
    /// The same key as its entry has it.
    key: SecretBytes,
}

/// How long a slow merchant takes.
pub const SLOW: Duration = Duration::from_millis(300);

impl Manner {
    /// Every manner, in the order of the table.
    pub const ALL: [Self; 5] =
        [Self::Prompt, Self::Slow, Self::FailsTwice, Self::Refuses, Self::BlackHole];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prompt => "prompt",
            Self::Slow => "slow",
            Self::FailsTwice => "fails twice",
            Self::Refuses => "refuses",
            Self::BlackHole => "black hole",
        }
    }

    const fn count(self) -> usize {
        match self {
            Self::Prompt => 18,
            Self::Slow => 5,
            Self::FailsTwice => 4,
            Self::Refuses => 2,
            Self::BlackHole => 1,
        }
    }
}

/// All of them; the index is the path of the URL.
pub fn merchants() -> Vec<Player> {
    let manners = Manner::ALL
        .into_iter()
        .flat_map(|manner| (1..=manner.count()).map(move |number| (manner, number)));
    let player = |(index, (manner, number)): (u8, (Manner, usize))| {
        let key = SecretBytes::new(vec![index; 32]);
        Player {
            id: format!("{}_{number:02}", manner.name().replace(' ', "_")),
            manner,
            secret: Secret {
                id: "s1".to_owned(),
                key: Key::Hmac(key.clone()),
                not_before: None,
                expires: None,
            },
            key,
        }
    };
    (1_u8..).zip(manners).map(player).collect()
}

/// Their entries, one a line, for a receiver at `address`.
pub fn directory(merchants: &[Player], address: SocketAddr) -> String {
    let line = |(index, player): (usize, &Player)| {
        let secret = format!("whsec_{}", STANDARD.encode(player.key.expose()));
        let entry = json!({
            "format": 1,
            "merchant_id": player.id,
            "endpoints": [{
                "id": "ep_main",
                "url": format!("http://{address}/{index}"),
                "policy": {
                    "intervals": ["500ms", "1500ms"],
                    "max_age": "1m",
                    "timeout": "1s",
                    "max_in_flight": 16,
                },
                "secrets": [{ "id": player.secret.id, "kind": "hmac", "value": secret }],
            }],
        });
        format!("{entry}\n")
    };
    merchants.iter().enumerate().map(line).collect()
}
