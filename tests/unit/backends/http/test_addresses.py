"""Servers take turns, and a failing server is skipped for a while."""

from collections import Counter

from bge_rerank.backends.http.addresses import LEFT_OUT_SECONDS, Addresses


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_servers_take_turns() -> None:
    addresses = Addresses(["a", "b", "c"])
    assert Counter(addresses.next() for _ in range(30)) == {"a": 10, "b": 10, "c": 10}


def test_a_server_that_failed_comes_back_after_a_while() -> None:
    clock = Clock()
    addresses = Addresses(["a", "b"], clock)
    addresses.failed("a")
    assert {addresses.next() for _ in range(4)} == {"b"}
    clock.now += LEFT_OUT_SECONDS
    assert {addresses.next() for _ in range(4)} == {"a", "b"}


def test_a_server_that_answered_is_back_at_once() -> None:
    addresses = Addresses(["a", "b"], Clock())
    addresses.failed("a")
    addresses.answered("a")
    assert {addresses.next() for _ in range(4)} == {"a", "b"}


def test_if_all_servers_failed_the_one_that_failed_first_is_asked() -> None:
    clock = Clock()
    addresses = Addresses(["a", "b"], clock)
    addresses.failed("b")
    clock.now += 1
    addresses.failed("a")
    assert addresses.next() == "b"
