//! Requests that a vendor makes itself: events, pings.

use std::time::Duration;

/// Posts once, and gives the status and the start of the body. Who calls decides whether to try again.
#[expect(
    clippy::disallowed_methods,
    reason = "a fake calls the address that a test gave it, on this machine"
)]
pub async fn post(url: &str, headers: &[(&str, String)], body: Vec<u8>) -> Result<(u16, String), String> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = client.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let text = response.text().await.map_err(|error| error.to_string())?;
    Ok((status, text.chars().take(4_096).collect()))
}

/// Only this machine is called: a fake must not become a way to reach others.
pub fn is_of_this_machine(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for url in ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9/"] {
            assert!(is_of_this_machine(url), "{url}");
        }
        for url in ["http://93.184.215.14/", "https://localhost.example/", "file:///x", "x"] {
            assert!(!is_of_this_machine(url), "{url}");
        }
    }
}
