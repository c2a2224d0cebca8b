//! The dashboard shows metrics that exist.

use parlour_runtime::telemetry::METRICS;

#[test]
fn every_metric_of_the_dashboard_exists() {
    let dashboard = include_str!("../../../deploy/grafana/parlour.json");
    let mut shown = 0;
    for word in dashboard.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        if word.starts_with("parlour_") {
            shown += 1;
            let name = word.strip_suffix("_bucket").unwrap_or(word);
            assert!(
                METRICS.iter().any(|m| m.name == name),
                "there is no metric {word}"
            );
        }
    }
    assert!(shown > 15, "only {shown} metrics are shown");
}
