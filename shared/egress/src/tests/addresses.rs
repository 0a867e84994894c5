//! Which addresses and spellings are refused.

use std::net::IpAddr;

use super::{cloud, get, local};
use crate::target::parse;
use crate::{EgressError, Reach, Sent, reach};

#[test]
fn addresses_are_judged_by_the_registries() {
    for (address, expected) in [
        // IPv4, with the neighbours of each block
        ("0.0.0.0", Reach::Special),
        ("0.255.255.255", Reach::Special),
        ("1.0.0.0", Reach::Public),
        ("9.255.255.255", Reach::Public),
        ("10.0.0.1", Reach::Special),
        ("11.0.0.0", Reach::Public),
        ("100.63.255.255", Reach::Public),
        ("100.64.0.0", Reach::Special),
        ("100.127.255.255", Reach::Special),
        ("100.128.0.0", Reach::Public),
        ("126.255.255.255", Reach::Public),
        ("127.0.0.1", Reach::Loopback),
        ("127.255.255.254", Reach::Loopback),
        ("128.0.0.0", Reach::Public),
        ("169.253.255.255", Reach::Public),
        ("169.254.169.254", Reach::Special),
        ("169.254.170.2", Reach::Special),
        ("169.255.0.0", Reach::Public),
        ("172.15.255.255", Reach::Public),
        ("172.16.0.1", Reach::Special),
        ("172.31.255.255", Reach::Special),
        ("172.32.0.0", Reach::Public),
        ("192.0.0.8", Reach::Special),
        ("192.0.1.0", Reach::Public),
        ("192.0.2.1", Reach::Special),
        ("192.31.196.1", Reach::Special),
        ("192.52.193.1", Reach::Special),
        ("192.88.99.1", Reach::Special),
        ("192.167.255.255", Reach::Public),
        ("192.168.1.1", Reach::Special),
        ("192.169.0.0", Reach::Public),
        ("192.175.48.1", Reach::Special),
        ("198.17.255.255", Reach::Public),
        ("198.18.0.1", Reach::Special),
        ("198.19.255.255", Reach::Special),
        ("198.20.0.0", Reach::Public),
        ("198.51.100.7", Reach::Special),
        ("203.0.113.7", Reach::Special),
        ("203.0.114.0", Reach::Public),
        ("223.255.255.255", Reach::Public),
        ("224.0.0.1", Reach::Special),
        ("239.255.255.255", Reach::Special),
        ("240.0.0.1", Reach::Special),
        ("255.255.255.255", Reach::Special),
        ("8.8.8.8", Reach::Public),
        // IPv6
        ("::", Reach::Special),
        ("::1", Reach::Loopback),
        ("::2", Reach::Special),
        ("::ffff:8.8.8.8", Reach::Public),
        ("::ffff:10.0.0.1", Reach::Special),
        ("::ffff:169.254.169.254", Reach::Special),
        ("::ffff:127.0.0.1", Reach::Loopback),
        ("::8.8.8.8", Reach::Special),
        ("::127.0.0.1", Reach::Special),
        ("::ffff:0:8.8.8.8", Reach::Special),
        ("64:ff9b::8.8.8.8", Reach::Public),
        ("64:ff9b::10.0.0.1", Reach::Special),
        ("64:ff9b::127.0.0.1", Reach::Special),
        ("64:ff9b::169.254.169.254", Reach::Special),
        ("64:ff9b::1:8.8.8.8", Reach::Special),
        ("64:ff9b:1::8.8.8.8", Reach::Special),
        ("100::1", Reach::Special),
        ("1fff::1", Reach::Special),
        ("2001::1", Reach::Special),
        ("2001:0:4136:e378::1", Reach::Special),
        ("2001:2::1", Reach::Special),
        ("2001:10::1", Reach::Special),
        ("2001:20::1", Reach::Special),
        ("2001:1ff::1", Reach::Special),
        ("2001:200::1", Reach::Public),
        ("2001:db8::1", Reach::Special),
        ("2001:4860:4860::8888", Reach::Public),
        ("2002:808:808::1", Reach::Special),
        ("2002:a00:1::1", Reach::Special),
        ("2003::1", Reach::Public),
        ("2606:4700::1111", Reach::Public),
        ("2620:4f:8000::1", Reach::Special),
        ("3ffe::1", Reach::Public),
        ("3fff::1", Reach::Special),
        ("3fff:fff::1", Reach::Special),
        ("3fff:1000::1", Reach::Public),
        ("4000::1", Reach::Special),
        ("5f00::1", Reach::Special),
        ("fc00::1", Reach::Special),
        ("fd00:ec2::254", Reach::Special),
        ("fe80::1", Reach::Special),
        ("fec0::1", Reach::Special),
        ("ff02::1", Reach::Special),
    ] {
        assert_eq!(reach(address.parse::<IpAddr>().unwrap()), expected, "{address}");
    }
}

/// Spellings of addresses that must not be reached in the cloud.
const LOOPBACK_SPELLINGS: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.0.0.1./",
    "http://127.000.000.001/",
    "http://%31%32%37.0.0.1/",
    "http://１２７.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://LocalHost:8080/",
    "http://foo.localhost/",
    "http://foo.localhost./",
    "http://%6cocalhost/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "https://localhost\\@example.com/",
    "http:\\\\127.0.0.1\\",
    "http:127.0.0.1/",
];

/// And those that must not be reached anywhere.
const NEVER: &[&str] = &[
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::10.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[::]/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.0.0.1:8080/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
];

#[tokio::test]
async fn odd_spellings_of_special_addresses_end_as_blocked() {
    let client = cloud();
    for url in LOOPBACK_SPELLINGS.iter().chain(NEVER) {
        let error = get(&client, url).await.unwrap_err();
        assert_eq!((error.code(), error.sent()), ("egress_blocked", Sent::NotSent), "{url}: {error}");
        assert!(!error.retryable(), "{url}");
    }
}

#[tokio::test]
async fn local_development_adds_loopback_and_nothing_else() {
    for url in LOOPBACK_SPELLINGS {
        assert!(parse(url, true).is_ok(), "{url}");
    }
    let client = local();
    for url in NEVER {
        assert_eq!(get(&client, url).await.unwrap_err().code(), "egress_blocked", "{url}");
    }
}

#[tokio::test]
async fn addresses_that_are_not_web_addresses_are_refused() {
    let client = local();
    for (url, code) in [
        ("ftp://example.com/", "egress_scheme"),
        ("file:///etc/passwd", "egress_scheme"),
        ("gopher://example.com/", "egress_scheme"),
        ("data:text/plain,hello", "egress_scheme"),
        ("javascript:alert(1)", "egress_scheme"),
        ("https://user@example.com/", "egress_invalid_url"),
        ("https://user:password@example.com/", "egress_invalid_url"),
        ("https://:password@example.com/", "egress_invalid_url"),
        ("https://example.com\r\nhost: other/", "egress_invalid_url"),
        ("https://exam\tple.com/", "egress_invalid_url"),
        ("https://", "egress_invalid_url"),
        ("https:///", "egress_invalid_url"),
        ("/v1/things", "egress_invalid_url"),
        ("example.com", "egress_invalid_url"),
        ("", "egress_invalid_url"),
        ("http://[fe80::1%25eth0]/", "egress_invalid_url"),
        ("http://[::1%lo]/", "egress_invalid_url"),
        ("http://256.256.256.256/", "egress_invalid_url"),
        ("http://1.2.3.4.5/", "egress_invalid_url"),
        ("http://example.com:99999/", "egress_invalid_url"),
        ("http://example.com:0/", "egress_blocked"),
        ("http://example.com:25/", "egress_blocked"),
        ("https://example.com:465/", "egress_blocked"),
        ("http://127.0.0.1:6667/", "egress_blocked"),
    ] {
        let error = get(&client, url).await.unwrap_err();
        assert_eq!((error.code(), error.sent()), (code, Sent::NotSent), "{url}: {error}");
    }
    let long = format!("https://example.com/{}", "a".repeat(9000));
    assert!(matches!(get(&client, &long).await, Err(EgressError::InvalidUrl { .. })));
}
