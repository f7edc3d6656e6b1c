"""How an option is declared: once, with its default, its check and its description.

The fields of a frozen dataclass (`@options`) are options that belong together. Functions, adapters, the
command line's flags and the documentation are derived from these classes.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from os import PathLike, fspath
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
from bge_rerank.inputs import nearest

T = TypeVar("T")
Self = TypeVar("Self")
Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True, slots=True)
class Check:
    """A test of an option's value.

    Attributes:
        valid: Returns whether a value can work.
        wrong: The error message after "NAME is VALUE".
        names: The valid values if they are names. The message suggests the nearest one.
    """

    valid: Callable[[Any], bool]
    wrong: str
    names: Sequence[str] = ()

    def refuse(self, name: str, value: Any) -> None:
        """Refuse a value that cannot work.

        Raises:
            ConfigurationError: The value cannot work. The message says what to pass.

        >>> MILLISECONDS_OR_OFF.refuse("wait_ms", -1)
        Traceback (most recent call last):
        bge_rerank.errors.ConfigurationError: wait_ms is -1; pass 0 (off) or more milliseconds
        """
        if not self.valid(value):
            message = f"{name} is {value!r:.80}{self.wrong}"
            raise ConfigurationError(f"{message}{nearest(value, self.names)}")


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
    """Declare an option, as the default of a dataclass field.

    Args:
        default: The value if the caller passes none.
        doc: The description, in plain sentences, for help texts and the documentation.
        check: The test of its values; `None` accepts all values of its type.
        flag: The flag on the command line; `None` derives it from the name.
        hidden: Keep the value out of every repr and dump.
        as_is: The value is an object of the caller's, which no adapter converts or copies.
        decides: The option affects scores or their order, so evaluations record it.
        drops: The option can leave candidates out.
        kw_only: Only a keyword can pass the option.
    """
    said = {"doc": doc, "check": check, "flag": flag, "hidden": hidden, "as_is": as_is}
    metadata = {**said, "decides": decides, "drops": drops}
    return field(default=default, repr=not hidden, kw_only=kw_only, metadata=metadata)


def again(*, default: T, kw_only: bool) -> T:
    """Declare an option of a base class again, with `kw_only=False` to accept it by position."""
    return field(default=default, kw_only=kw_only)


@dataclass_transform(kw_only_default=True, field_specifiers=(option, again))
def options(declaring: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose fields are options.

    Type checkers do not see that the class is frozen: the adapters are pydantic models that inherit the
    same options, and their fields can be set.
    """
    return dataclass(frozen=True, kw_only=True)(declaring)


@dataclass(frozen=True, slots=True)
class Option:
    """A declared option: its name, its type, and the arguments of `option`."""

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
        """The members of its type if the type is a union, else the type itself."""
        is_union = get_origin(self.type) in (Union, types.UnionType)
        return get_args(self.type) if is_union else (self.type,)

    @property
    def choices(self) -> tuple[str, ...]:
        """The valid values, if the type is a `Literal`; else nothing."""
        return next((get_args(t) for t in self.alternatives if get_origin(t) is Literal), ())

    def refuse(self, value: Any) -> None:
        """Refuse a value that is not one of the choices, or does not pass the check."""
        if value is None and types.NoneType in self.alternatives:
            return
        if self.choices:
            one_of(self.choices).refuse(self.name, value)
        if self.check is not None:
            self.check.refuse(self.name, value)


def declared(*declaring: type) -> tuple[Option, ...]:
    """Return the options of classes, in the order of declaration, each name once.

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
    """Return the arguments of `option`, in the class or a base class; nothing for other fields."""
    for base in declaring.__mro__:
        for declaration in vars(base).get("__dataclass_fields__", {}).values():
            if declaration.name == name and declaration.metadata:
                return dict(declaration.metadata)
    return {}


class Checked:
    """Base of option classes. It checks each value, and turns lists into tuples and paths into strings."""

    def __post_init__(self) -> None:
        """Check each option.

        Raises:
            ConfigurationError: A value cannot work.
        """
        for each in declared(type(self)):
            value = getattr(self, each.name)
            if isinstance(value, list):
                object.__setattr__(self, each.name, tuple(value))
            elif isinstance(value, PathLike):
                object.__setattr__(self, each.name, fspath(value))
            each.refuse(getattr(self, each.name))


def one_of(names: Sequence[str]) -> Check:
    """Return a check for a few names.

    >>> one_of(["float32", "float16"]).refuse("dtype", "fp16")
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: dtype is 'fp16'; choose one of float32, float16 (did you mean 'float16'?)
    """
    return Check(lambda value: value in names, f"; choose one of {', '.join(names)}", names)


def whole_from(least: int, or_none: str = "") -> Check:
    """Return a check for whole numbers of `least` or more; `or_none` ends its message.

    >>> whole_from(1, ", or None for all").refuse("top_n", 0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: top_n is 0; pass a whole number of 1 or more, or None for all
    >>> whole_from(1).valid(3), whole_from(1).valid(True)
    (True, False)
    """
    return Check(
        lambda value: type(value) is int and value >= least,
        f"; pass a whole number of {least} or more{or_none}",
    )


def above_zero(what: str, or_none: str = "") -> Check:
    """Return a check for finite numbers above 0. `what` names the unit, and `or_none` ends the message.

    >>> above_zero("seconds").refuse("timeout", 0)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: timeout is 0; pass seconds above 0
    """
    return Check(
        lambda value: isinstance(value, int | float) and 0 < value < float("inf"),
        f"; pass {what} above 0{or_none}",
    )


def share(wrong: str) -> Check:
    """Return a check for numbers from 0 to 1, without NaN. `wrong` is the end of its message.

    >>> share("; pass a number from 0 to 1").refuse("target", 2)
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: target is 2; pass a number from 0 to 1
    """
    return Check(lambda value: isinstance(value, int | float) and 0.0 <= value <= 1.0, wrong)


MILLISECONDS_OR_OFF = Check(
    lambda value: isinstance(value, int | float) and 0 <= value < float("inf"),
    "; pass 0 (off) or more milliseconds",
)


def takes(
    declaring: Callable[Parameters, object],
) -> Callable[[Callable[..., Result]], Callable[Parameters, Result]]:
    """Give a function the parameters of an option class, for type checkers, editors and `help`.

    >>> @options
    ... class Rooms(Checked):
    ...     beds: int = option(default=2, doc="How many beds.")
    >>> @takes(Rooms)
    ... def book(**rooms):
    ...     return Rooms(**rooms)
    >>> inspect.signature(book), book(beds=3)
    (<Signature (*, beds: 'int' = 2)>, Rooms(beds=3))
    """
    return functools.partial(_with_parameters, declaring, 0)


def method_takes(
    declaring: Callable[Parameters, object],
) -> Callable[
    [Callable[Concatenate[Self, ...], Result]], Callable[Concatenate[Self, Parameters], Result]
]:
    """Give a method the parameters of an option class, as `takes` does for a function."""
    return functools.partial(_with_parameters, declaring, 1)


def _with_parameters(declaring: Any, skip: int, function: Any) -> Any:
    """Replace a function's parameters after the first `skip`; its errors name the function itself."""
    wanted, own = inspect.signature(declaring), inspect.signature(function)

    @functools.wraps(function)
    def checked(*arguments: Any, **named: Any) -> Any:
        try:
            wanted.bind(*arguments[skip:], **named)
        except TypeError as error:
            unknown = next((name for name in named if name not in wanted.parameters), None)
            # An error for too many arguments by position comes first, and names no option.
            hint = nearest(unknown, wanted.parameters) if repr(unknown) in str(error) else ""
            raise TypeError(f"{function.__qualname__}() {error}{hint}") from None
        return function(*arguments, **named)

    parameters = [*list(own.parameters.values())[:skip], *wanted.parameters.values()]
    shown = wanted.replace(parameters=parameters, return_annotation=own.return_annotation)
    checked.__signature__ = shown  # type: ignore[attr-defined]
    return checked
