//! A name server of the tests' own, which may lie as it likes.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{net::UdpSocket, task::JoinHandle};

/// What the server says about a name: after how many seconds it is to be asked again, and what.
#[derive(Debug, Clone)]
pub enum Says {
    Address(u32, IpAddr),
    Alias(u32, &'static str),
}

/// Ends when dropped.
pub struct Dns {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    serving: JoinHandle<()>,
}

impl Dns {
    /// `answer` gets the name without the dot of the root, and how often this name was asked for
    /// before; what is not of the family that was asked for is left out. About IPv6 addresses of
    /// `v4only.…` it says nothing at all.
    pub async fn start(answer: impl Fn(&str, usize) -> Vec<Says> + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let query = Message::from_vec(&bytes[..length]).unwrap();
                let question = &query.queries[0];
                if question.query_type() == RecordType::AAAA
                    && question.name().to_ascii().starts_with("v4only.")
                {
                    continue;
                }
                let response = respond(&query, &notes, &answer);
                socket.send_to(&response.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked, serving }
    }

    /// How often the IPv4 addresses of a name were asked for.
    pub fn asked(&self, name: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(asked, kind)| asked == name && *kind == RecordType::A).count()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn respond(
    query: &Message,
    notes: &Mutex<Vec<(String, RecordType)>>,
    answer: &impl Fn(&str, usize) -> Vec<Says>,
) -> Message {
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_available = true;
    let question = &query.queries[0];
    let (name, kind) = (question.name().clone(), question.query_type());
    let text = name.to_ascii().trim_end_matches('.').to_owned();
    let mut notes = notes.lock().unwrap();
    let key = (text.clone(), kind);
    let before = notes.iter().filter(|note| **note == key).count();
    notes.push(key);
    let said = answer(&text, before);
    if said.is_empty() {
        response.metadata.response_code = ResponseCode::NXDomain;
    }
    let mut owner = name;
    for says in said {
        let (ttl, data) = match says {
            Says::Address(ttl, IpAddr::V4(address)) => (ttl, RData::A(address.into())),
            Says::Address(ttl, IpAddr::V6(address)) => (ttl, RData::AAAA(address.into())),
            Says::Alias(ttl, name) => {
                let target = Name::from_ascii(name).unwrap();
                let alias = RData::CNAME(CNAME(target.clone()));
                response.add_answer(Record::from_rdata(owner, ttl, alias));
                owner = target;
                continue;
            }
        };
        if data.record_type() == kind {
            response.add_answer(Record::from_rdata(owner.clone(), ttl, data));
        }
    }
    response.add_query(question.clone());
    response
}
