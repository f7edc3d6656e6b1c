"""The page on troubleshooting has an entry for each message of an error or a warning."""

from raised_messages import ROOT, Message, messages, messages_of, plain, without_entry

PAGE = ROOT / "docs" / "troubleshooting.md"

EXCEPTIONS = {
    "stopped, because the call was cancelled": "ends a thread whose caller is gone",
    "the client disconnected": "answers a client that is gone",
}
"""Messages that no user sees, and why."""


def test_every_message_has_an_entry_on_the_troubleshooting_page() -> None:
    found = [message for message in messages() if message.text not in EXCEPTIONS]
    missing = without_entry(found, PAGE.read_text(encoding="utf-8"))
    assert not missing, (
        "add an entry to docs/troubleshooting.md: the message with … for its values, its cause and a "
        "remedy; or, if no user sees the message, a line to EXCEPTIONS in this file:\n"
        + "\n".join(f"{message.place}: {message.text}" for message in missing)
    )


def test_every_exception_is_a_message_of_the_packages() -> None:
    assert EXCEPTIONS.keys() <= {message.text for message in messages()}


SOURCE = """
TOO_MANY = "more than %d doors are open, so one is closed"

def check(name, doors, text):
    if doors < 0:
        raise ConfigurationError(f"doors is {doors}; pass a number of doors from 0 on")
    if not text:
        raise ConfigurationError(_wrong(text))
    logger.warning(TOO_MANY, doors)
    self._warn("cause of the warning", "the door %s does not close", name)
    raise ValueError("this one is not ours")

def _wrong(text):
    return f"the sign says {text!r}; write a word on it"

doors = option(default=1, check=Check(callable, "; pass a function that opens"))
"""


def test_messages_are_found_in_raised_errors_warnings_checks_and_what_they_refer_to() -> None:
    assert sorted(messages_of(SOURCE, "doors.py")) == [
        Message("doors.py:10", "does not close"),
        Message("doors.py:14", "; write a word on it"),
        Message("doors.py:16", "; pass a function that opens"),
        Message("doors.py:2", "doors are open, so one is closed"),
        Message("doors.py:6", "; pass a number of doors from 0 on"),
    ]


def test_a_message_without_an_entry_is_found() -> None:
    page = r"""
- `doors is …; pass a number
  of doors from 0 on`\
- `more than … doors are open, so one is closed` `the door … does not close`\
- ``the sign says "…"; write a `word` on it``
- Text that is not code is not an entry; pass a function that opens.
"""
    [missing] = without_entry(list(messages_of(SOURCE, "doors.py")), page)
    assert missing == Message("doors.py:16", "; pass a function that opens")


def test_quotes_and_marks_do_not_matter() -> None:
    assert plain("run `bge-rerank  export`,\n\\*now*") == plain("run 'bge-rerank export', now")
