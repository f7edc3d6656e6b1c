"""What an option is: declared once, with its default, its check and its description.

Options that belong together are the fields of one frozen dataclass (`@options`). Functions, adapters, the
command line's flags and the documentation are derived from these classes.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from typing_extensions import dataclass_transform

from bge_rerank.errors import ConfigurationError

T = TypeVar("T")
Self = TypeVar("Self")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True, slots=True)
class Check:
    """Whether a value can work, and what follows its name and value in the error of one that cannot."""

    valid: Callable[[Any], bool]
    wrong: str

    def refuse(self, name: str, value: Any) -> None:
        """Refuse a value that cannot work.

        Raises:
            ConfigurationError: It cannot; the message has name and value, and what to give.

        >>> MILLISECONDS_OR_OFF.refuse("wait_ms", -1)
        Traceback (most recent call last):
        bge_rerank.errors.ConfigurationError: wait_ms is -1; give milliseconds from 0 (off) on
        """
        if not self.valid(value):
            raise ConfigurationError(f"{name} is {value!r:.80}{self.wrong}")


def option(
    *,
    default: T,
    doc: str,
    check: Check | None = None,
    flag: str | None = None,
    hidden: bool = False,
    as_is: bool = False,
    decides: bool = False,
    drops: bool = False,
    kw_only: bool = True,
) -> T:
    """Declare an option, as the default of a dataclass's field.

    Args:
        default: Its value where none is given.
        doc: What it does, for help texts and the documentation: plain sentences.
        check: Which values can work; `None` takes all of its type.
        flag: Its flag on the command line; `None` derives it from the name.
        hidden: Keep it out of every repr and dump.
        as_is: It is the caller's own object, which no adapter converts or copies.
        decides: It decides scores or order, so it is written down beside measures.
        drops: It can leave candidates out.
        kw_only: It can be given by its name alone.
    """
    said = {"doc": doc, "check": check, "flag": flag, "hidden": hidden, "as_is": as_is}
    metadata = {**said, "decides": decides, "drops": drops}
    return field(default=default, repr=not hidden, kw_only=kw_only, metadata=metadata)


def again(*, default: T, kw_only: bool) -> T:
    """Declare an option of a base class once more, with `kw_only=False` to take it by its place."""
    return field(default=default, kw_only=kw_only)


@dataclass_transform(kw_only_default=True, field_specifiers=(option, again))
def options(declaring: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose fields are options.

    Type checkers are not told that it is frozen: a pydantic model, whose fields can be set, takes the same
    options by inheriting from it.
    """
    return dataclass(frozen=True, kw_only=True)(declaring)


@dataclass(frozen=True, slots=True)
class Option:
    """One declared option: its name, its type as an object, and what `option` was given."""

    name: str
    type: Any
    default: Any
    doc: str
    check: Check | None
    flag: str
    hidden: bool
    as_is: bool
    decides: bool
    drops: bool

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The types that its type allows."""
        is_union = get_origin(self.type) in (Union, types.UnionType)
        return get_args(self.type) if is_union else (self.type,)

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it can have, where they are a fixed few."""
        return next((get_args(t) for t in self.alternatives if get_origin(t) is Literal), ())

    def refuse(self, value: Any) -> None:
        """Refuse a value that is none of the choices, or does not pass the check."""
        if value is None and types.NoneType in self.alternatives:
            return
        if self.choices and value not in self.choices:
            wanted = ", ".join(map(repr, self.choices))
            raise ConfigurationError(f"{self.name} is {value!r:.80}; choose one of {wanted}")
        if self.check is not None:
            self.check.refuse(self.name, value)


def declared(*declaring: type) -> tuple[Option, ...]:
    """Return the options of classes, in their order; one that several have stands once.

    >>> @options
    ... class Rooms:
    ...     beds: int = option(default=2, doc="How many beds.")
    >>> [(each.name, each.default, each.flag) for each in declared(Rooms)]
    [('beds', 2, '--beds')]
    """
    found = {each.name: each for one in declaring for each in _declared(one)}
    return tuple(found.values())


@functools.cache
def _declared(declaring: Any) -> tuple[Option, ...]:
    hints = get_type_hints(declaring)
    found = []
    for declaration in fields(declaring):
        name = declaration.name
        known = _metadata(declaring, name)
        if known:
            known["flag"] = known["flag"] or f"--{name.replace('_', '-')}"
            found.append(Option(name, hints[name], declaration.default, **known))
    return tuple(found)


def _metadata(declaring: type, name: str) -> dict[str, Any]:
    """Return what `option` was given, also by a base class; nothing for other fields."""
    for base in declaring.__mro__:
        for declaration in vars(base).get("__dataclass_fields__", {}).values():
            if declaration.name == name and declaration.metadata:
                return dict(declaration.metadata)
    return {}


class Checked:
    """Base of option classes: every value is checked when one is made, and lists become tuples."""

    def __post_init__(self) -> None:
        """Check each option.

        Raises:
            ConfigurationError: A value cannot work.
        """
        for each in declared(type(self)):
            value = getattr(self, each.name)
            if isinstance(value, list):
                object.__setattr__(self, each.name, tuple(value))
            each.refuse(value)


def whole_from(least: int, or_none: str = "") -> Check:
    """Return a check for whole numbers from `least` on.

    >>> whole_from(1).valid(3), whole_from(1).valid(0), whole_from(1).valid(True)
    (True, False, False)
    """
    return Check(
        lambda value: type(value) is int and value >= least,
        f"; give a whole number from {least} on{or_none}",
    )


def above_zero(what: str, or_none: str = "") -> Check:
    """Return a check for finite numbers above 0."""
    return Check(
        lambda value: isinstance(value, int | float) and 0 < value < float("inf"),
        f"; give {what} above 0{or_none}",
    )


def share(wrong: str) -> Check:
    """Return a check for numbers from 0 to 1; NaN is not one."""
    return Check(lambda value: isinstance(value, int | float) and 0.0 <= value <= 1.0, wrong)


MILLISECONDS_OR_OFF = Check(
    lambda value: isinstance(value, int | float) and 0 <= value < float("inf"),
    "; give milliseconds from 0 (off) on",
)


def takes(
    declaring: Callable[Parameters, object],
) -> Callable[[Callable[..., Result]], Callable[Parameters, Result]]:
    """Give a function the parameters of an option class, for type checkers, editors and `help`."""
    return functools.partial(_with_parameters, declaring, 0)


def method_takes(
    declaring: Callable[Parameters, object],
) -> Callable[
    [Callable[Concatenate[Self, ...], Result]], Callable[Concatenate[Self, Parameters], Result]
]:
    """Give a method the parameters of an option class, as `takes` does."""
    return functools.partial(_with_parameters, declaring, 1)


def _with_parameters(declaring: Any, skip: int, function: Any) -> Any:
    """Return a function with other parameters behind its first, which refuses others in its own name."""
    wanted, own = inspect.signature(declaring), inspect.signature(function)

    @functools.wraps(function)
    def checked(*arguments: Any, **named: Any) -> Any:
        try:
            wanted.bind(*arguments[skip:], **named)
        except TypeError as error:
            raise TypeError(f"{function.__qualname__}() {error}") from None
        return function(*arguments, **named)

    parameters = [*list(own.parameters.values())[:skip], *wanted.parameters.values()]
    shown = wanted.replace(parameters=parameters, return_annotation=own.return_annotation)
    checked.__signature__ = shown  # type: ignore[attr-defined]
    return checked
