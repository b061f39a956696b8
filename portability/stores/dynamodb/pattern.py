"""The pattern that tells whose a partition key is: parsed generically, compared for equality, never by prefix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from portability import errors

_PLACEHOLDER = re.compile(r"\{(tenant|suffix|rest)\}")
_FIELD = {
    "tenant": r"(?P<tenant>[A-Za-z0-9._:@-]{1,128})",
    "suffix": r"(?P<suffix>[A-Za-z0-9]+)",
    "rest": r"(?P<rest>.*)",
}
_ALPHABET = {
    "tenant": re.compile(r"[A-Za-z0-9._:@-]"),
    "suffix": re.compile(r"[A-Za-z0-9]"),
    "rest": re.compile(".", re.DOTALL),
}


@dataclass(frozen=True)
class Parsed:
    """A partition key taken apart. `suffix` and `rest` are "" where the pattern has none."""

    tenant: str
    suffix: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Pattern:
    """Literal text around `{tenant}` and at most one each of `{suffix}` and `{rest}`.

    Raises `PreflightRefused` for a pattern by which one key could be read as two tenants'.
    """

    text: str

    def __post_init__(self) -> None:
        names = self.fields
        if names.count("tenant") != 1 or len(set(names)) != len(names):
            raise self._refused("needs {tenant} once, and {suffix} and {rest} at most once")
        if {"suffix", "rest"} <= set(names):
            raise self._refused("has both {suffix} and {rest}")
        parts = _PLACEHOLDER.split(self.text)  # literal, field, literal, field, …, literal
        for left, literal, right in zip(parts[1::2], parts[2::2], parts[3::2], strict=False):
            # The split is certain only where a character of the literal can stand in one neighbour but not in it.
            if not any(not _ALPHABET[name].match(sign) for sign in literal for name in (left, right)):
                raise self._refused(
                    f"cannot tell {{{left}}} from {{{right}}}: put a character between that neither may hold"
                )

    @property
    def fields(self) -> list[str]:
        """The placeholders, in order."""
        return _PLACEHOLDER.findall(self.text)

    @property
    def has_suffix(self) -> bool:
        """Whether a tenant's items are spread over numbered partitions."""
        return "suffix" in self.fields

    @property
    def has_rest(self) -> bool:
        """Whether a part of the key is free, so that the tenant's partitions cannot be named beforehand."""
        return "rest" in self.fields

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts = _PLACEHOLDER.split(self.text)
        return re.compile(
            "".join(_FIELD[part] if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL
        )

    def parse(self, value: str) -> Parsed | None:
        """Take a partition key apart; None where it is not of this pattern. The tenant part is as long as it can be."""
        found = self._regex.fullmatch(value)
        return None if found is None else Parsed(**found.groupdict())

    def render(self, tenant: str, suffix: str = "") -> str:
        """The partition key of a tenant, for a pattern without `{rest}`."""
        return self.text.replace("{tenant}", tenant).replace("{suffix}", suffix)

    def _refused(self, why: str) -> errors.PreflightRefused:
        return errors.PreflightRefused(f"the key pattern {self.text!r} {why}", next="portability validate")
