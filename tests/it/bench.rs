//! `okaeri bench`: a redemption's cost does not grow with codes or redemptions, and every load runs and ends.

use clap::Parser as _;
use okaeri::Args;

async fn run(args: &[&str]) {
    let args = ["okaeri", "bench"].iter().chain(args);
    okaeri::run(Args::parse_from(args)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redemption_costs_the_same_however_many_codes_are_minted_or_were_redeemed() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("plot.svg");
    let most = ["--most-codes", "1000000", "--most-redemptions", "100"];
    let args = [&["--flat", "--plot", plot.to_str().unwrap()], &most[..]].concat();
    run(&args).await;
    let drawn = std::fs::read_to_string(plot).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    assert_eq!(drawn.matches("<polyline").count(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_load_ends_by_itself() {
    for load in ["--redeem", "--mixed", "--hot"] {
        run(&[load, "--seconds", "1", "--concurrency", "3"]).await;
    }
}

#[test]
fn exactly_one_load_is_asked_for_and_a_plot_only_of_flatness() {
    let parsed =
        |args: &[&str]| Args::try_parse_from([&["okaeri", "bench"], args].concat()).is_ok();
    assert!(parsed(&["--hot", "--shards", "64"]));
    for wrong in [
        &[][..],
        &["--hot", "--mixed"],
        &["--hot", "--plot", "x.svg"],
        &["--hot", "--shards", "65"],
    ] {
        assert!(!parsed(wrong), "{wrong:?}");
    }
}
