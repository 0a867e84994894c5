//! The smoke journey over a deployment: `smoke URL SETUP_TOKEN TARGET_IP [flight]`.
//!
//! `TARGET_IP` is an address of this machine that the deployment's HTTP steps may reach.

use e2e::{Target, TestApp, smoke};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, token, ip, what @ ..] = arguments.as_slice() else {
        eprintln!("smoke URL SETUP_TOKEN TARGET_IP [flight]");
        std::process::exit(2);
    };
    let mut app = TestApp::remote(base);
    app.set_up_or_sign_in(token).await;
    let target = Target::start_on(ip, smoke::replies).await;
    if what.iter().any(|what| what == "flight") {
        // Until whoever started this closes its standard input.
        let landing =
            tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        smoke::flight(&app, &target, async { drop(landing.await) }).await;
    } else {
        smoke::journey(&app, &target).await;
    }
}
