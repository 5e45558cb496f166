"""Test the latency of responses."""

from __future__ import annotations

import pytest

from reconciler.emulator.latency import Latency, LatencyError, LatencyRules, parse_latency


@pytest.mark.parametrize(
    ("text", "low", "middle", "high"),
    [("80ms", 0.08, 0.08, 0.08), ("1s..3s", 1.02, 2.0, 2.98), ("p50=100ms p99=2s", 0.005, 0.1, 2.0)],
)
def test_a_latency_rule_is_a_distribution(text: str, low: float, middle: float, high: float) -> None:
    rule = parse_latency(text)
    assert [rule.sample(chance) for chance in (0.01, 0.5, 0.99)] == pytest.approx([low, middle, high])


def test_the_last_matching_rule_holds() -> None:
    latencies = LatencyRules(
        [parse_latency("10ms"), parse_latency("POST /v1/destinations/* 2s"), parse_latency("DELETE * 1m")]
    )
    asked = [("GET", "/v1/groups"), ("POST", "/v1/destinations/a"), ("DELETE", "/v1/groups/a")]
    assert [latencies.sample(method, path, 1) for method, path in asked] == [0.01, 2.0, 60.0]


def test_the_same_seed_gives_the_same_durations() -> None:
    rules = [Latency(0.0, 1.0)]
    durations = [
        [LatencyRules(rules, seed=seed).sample("GET", "/", number) for number in range(1, 100)]
        for seed in (1, 1, 2)
    ]
    assert durations[0] == durations[1] != durations[2]
    assert 0.4 < sum(durations[0]) / 99 < 0.6


def test_without_rules_there_is_no_latency() -> None:
    assert LatencyRules().sample("GET", "/", 1) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "80",
        "2s..1s",
        "p50=2s p99=1s",
        "p50=0s p99=1s",
        "GET 80ms",
        "GET groups 80ms",
        "11m",
        "p99=1s p50=2s",
    ],
)
def test_a_mistake_gets_an_example(text: str) -> None:
    with pytest.raises(LatencyError) as caught:
        parse_latency(text)
    assert "p50=120ms p99=2s" in caught.value.advice
