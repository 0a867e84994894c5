//! What every deployment must pass, here on the local stack.

use e2e::{Options, Target, TestApp, smoke};

#[tokio::test]
async fn the_smoke_journey_passes_whatever_the_chain_budget() {
    for chain_steps in [None, Some(1)] {
        let app = TestApp::start_with(Options { chain_steps, ..Options::default() }).await;
        smoke::journey(&app, &Target::start(smoke::replies).await).await;
    }
}

#[tokio::test]
async fn runs_in_flight_survive_a_new_process() {
    let mut app = TestApp::start().await;
    let target = Target::start(smoke::replies).await;
    let hands = app.fork();
    // Killed and started again between two webhooks, while the runs of the first ones are under way.
    let landing = async {
        app.wait_for("three runs to be on their way", || async {
            (app.runs("").await.len() >= 3).then_some(())
        })
        .await;
        app.kill();
        app.restart();
    };
    smoke::flight(&hands, &target, landing).await;
}
