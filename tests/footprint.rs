//! What a merchant is said to take in memory is what it takes.

use std::{fs, sync::Arc};

use paynotify::{
    merchant::directory::{Rules, parse_entry},
    model::{Merchant, MerchantId, Named},
};
use rcgen::CertifiedKey;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Merchants of each form: enough for the table that they stand in to be as full as it is on average.
const MERCHANTS: usize = 300;

fn merchant(entry: &str, number: usize) -> Arc<Merchant> {
    let mut merchant = parse_entry(entry.as_bytes(), &Rules::default()).unwrap();
    merchant.id = MerchantId::parse(&format!("m_{number:07}")).unwrap();
    Arc::new(merchant)
}

/// Every example, and what none of them has.
fn forms() -> Vec<(String, String)> {
    let examples = fs::read_dir("deploy/examples").unwrap().map(|example| {
        let path = example.unwrap().path();
        (path.display().to_string(), fs::read_to_string(&path).unwrap())
    });
    let names = vec!["paynotify.example".to_owned()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let endpoint = |id: &str, auth: Value| {
        let headers = json!({ "x-region": "eu", "x-tenant": "a tenant with a longer name" });
        let acknowledge = json!({ "json": { "pointer": "/result/code", "equals": "SUCCESS" } });
        json!({
            "id": id, "url": "https://orders.shop.example/a/rather/long/path?of=an&address=in&full=1",
            "auth": auth, "events": ["payment.*", "refund.completed", "chargeback.opened"],
            "policy": {
                "intervals": "wechat-pay", "headers": headers, "acknowledge": acknowledge,
                "dialect": "none",
            },
        })
    };
    let certificate = json!({
        "kind": "client_certificate", "certificate": cert.pem(), "key": signing_key.serialize_pem(),
    });
    let basic = json!({ "kind": "basic", "username": "paynotify", "password": "a good password" });
    let many = json!({
        "format": 1, "merchant_id": "m", "name": "Much of everything",
        "notify_url_hosts": ["a.shop.example", "b.shop.example"],
        "endpoints": [endpoint("first", certificate), endpoint("second", basic)],
    });
    examples.chain([("much of everything".to_owned(), many.to_string())]).collect()
}

#[test]
fn what_a_directory_is_said_to_take_is_what_it_takes() {
    let _counting = dhat::Profiler::builder().testing().build();
    let live = || dhat::HeapStats::get().curr_bytes;
    let forms = forms();
    assert!(forms.len() > 6, "{} forms", forms.len());
    for (name, entry) in forms {
        let before = live();
        let mut directory = Named::default();
        for number in 0..MERCHANTS {
            let merchant = merchant(&entry, number);
            directory.insert(merchant.id.clone(), merchant);
        }
        let taken = live() - before;
        let said: usize = directory.values().map(|merchant| merchant.footprint()).sum();
        let percent = said * 100 / taken;
        println!("{name}: {} bytes a merchant, said to be {percent} %", taken / MERCHANTS);
        assert!((90..=125).contains(&percent), "{name}: {said} of {taken}");
    }
}
