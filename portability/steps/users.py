"""Carry a tenant's users from one pool to another: page by page, resumable, and again before every flip.

Nothing that names a person reaches the journal: counts and marks only (`identity.mark`). `carry` makes the destination
equal to the origin; it may be repeated at any point, and what it repeats it only reads.
"""

from __future__ import annotations

import secrets
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from portability import errors
from portability.aws.cognito import FEDERATED, Group, User
from portability.model.change import Change, Sign
from portability.model.run import Cursor
from portability.retry import RETRYABLE
from portability.steps import user_rows
from portability.steps.base import Context
from portability.steps.identity import LEGACY, USER_PAGE, Groups, Home, created_marks, homes, mark, spec_of
from portability.stores.base import Flow

T = TypeVar("T")

OURS = frozenset({"sub", "identities", LEGACY})
"""Attributes that belong to a pool or to this tool: never carried as they are, never removed."""

FLAGS = {"email": "email_verified", "phone_number": "phone_number_verified"}
"""A changed address without its flag would make Cognito write to the user."""

KNOWN_PASSWORD = ("CONFIRMED", "RESET_REQUIRED")
"""Statuses of users who can use `forgot password`; at the destination they shall be able to as well."""


def carry(ctx: Context, flow: Flow) -> dict[str, int]:
    """Make the destination's users, groups and switches equal to the origin's; the counts of what was found and done.

    FORWARD goes from the source's pool to the target's, REVERSE the other way. Nothing, without a call, where the users
    do not move. A user deleted at the origin since is deleted at the destination only if this run made them there, and
    disabled where they had come from there. Raises `Mismatch` for a username that another tenant has, an attribute the
    destination's schema lacks, a group that must not be joined, or an origin without the tenant's group.
    """
    ported = ctx.output("port_identity")
    if "pool_id" not in ported:
        return {}
    source, target = homes(ctx, ported)
    return carry_between(ctx, flow, source, target, shared_groups=ported.get("shared_groups", ()))


def carry_late(ctx: Context, flow: Flow) -> dict[str, int]:
    """After a flip: carry the users that were made at the origin between the last `carry` and the flip, and no other.

    Nobody else is touched: from the flip on the destination is where users change. Raises as `carry` does.
    """
    ported = ctx.output("port_identity")
    if "pool_id" not in ported:
        return {}
    source, target = homes(ctx, ported)
    return carry_between(ctx, flow, source, target, shared_groups=ported.get("shared_groups", ()), late=True)


def carry_between(
    ctx: Context, flow: Flow, source: Home, target: Home, *, shared_groups: Sequence[str], late: bool = False
) -> dict[str, int]:
    """`carry`, or `carry_late`, between two named pools."""
    origin, destination = (source, target) if flow is Flow.FORWARD else (target, source)
    return dict(_Carrying(ctx, flow, origin, destination, frozenset(shared_groups), late).go())


def again(ctx: Context, effect: Callable[[], T]) -> T:
    """Run an idempotent effect; a lost reply is repeated, since repeating it changes nothing."""
    return ctx.retry.call(effect, on=(*RETRYABLE, errors.NoDefiniteAnswer))


@dataclass
class _Carrying:
    ctx: Context
    flow: Flow
    origin: Home
    destination: Home
    shared_groups: frozenset[str]  # groups of the shared pool that the recipe lets users join
    late: bool = False  # only who is new at the origin
    counts: Counter[str] = field(default_factory=Counter)
    there: dict[str, User] = field(default_factory=dict)  # the destination's users by key
    seen: set[str] = field(default_factory=set)
    members: dict[str, set[str]] = field(default_factory=dict)  # username -> groups, in the pool that is the tenant's
    ensured: set[str] = field(default_factory=set)  # groups of the destination

    def __post_init__(self) -> None:
        view = self.ctx.view
        self.made = created_marks(view, self.destination.pool)
        self.made_at_origin = created_marks(view, self.origin.pool)
        self.groups = Groups(self.ctx)
        self.carried_groups = {change.name for change, _ in view.intents() if change.kind == "group"}
        self.tenant = self.ctx.plan.tenant
        spec = spec_of(self.ctx)
        declared = self.destination.schema
        self.fixed = {
            name: value
            for name, value in ((spec.tenant_attribute, self.tenant), (spec.tier_attribute, self.destination.tier))
            if name in declared
        }
        self.tenant_attribute = spec.tenant_attribute

    def go(self) -> Counter[str]:
        if self.origin.groupless:
            # An empty listing here would read as a tenant whose every user was deleted.
            msg = f"the group {self.origin.group} of {self.tenant} is not in {self.origin.pool}"
            raise errors.Mismatch(msg, next=f"create the group with its users, then portability resume {self.ctx.run}")
        self._look()
        self._ensure_group(self.destination.group, Sign.CREATE)
        unit = f"users-{self.flow.value}" + ("-late" if self.late else "")
        token = self._left_off(self.ctx.load_cursors().get(unit))
        while True:
            self.ctx.check()
            page, token = self._page(token)
            self._ensure_page(page)
            self.counts["users"] += len(page)
            position = {"token": token, "counts": dict(self.counts)}
            self.ctx.save_cursor(Cursor(unit=unit, position=position, items=self.counts["users"]))
            self.ctx.progress("users", done=self.counts["users"])
            if not token:
                break
        if not self.late:
            self._sweep()
        self.ctx.save_cursor(Cursor(unit=unit, position=None, items=self.counts["users"], done=True))
        return self.counts

    def _look(self) -> None:
        """Read the destination whole, and the memberships of the side that is the tenant's alone."""
        token: str | None = None
        while True:
            page, token = self.destination.page(token)
            self.there |= {self.destination.key(user): user for user in page}
            if not token:
                break
        for home in (self.origin, self.destination):
            if not home.shared:
                for group in home.cognito.groups(home.pool):
                    self._look_into(home, group.name)

    def _look_into(self, home: Home, group: str) -> None:
        token: str | None = None
        while True:
            page, token = home.cognito.users_in_group(home.pool, group, token)
            for user in page:
                self.members.setdefault(f"{home.pool}/{user.username}", set()).add(group)
            if not token:
                return

    def _left_off(self, cursor: Cursor | None) -> str | None:
        if cursor is None or cursor.done or not cursor.position or not cursor.position.get("token"):
            return None
        self.counts.update(cursor.position["counts"])
        return str(cursor.position["token"])

    def _page(self, token: str | None) -> tuple[list[User], str | None]:
        try:
            return self.origin.page(token)
        except errors.BadRequest:
            if token is None:
                raise
            self.counts.clear()  # a page token lives for an hour only: from the start, which only reads what is done
            return self.origin.page(None)

    def _ensure_page(self, page: Sequence[User]) -> None:
        native = [user for user in page if user.status != FEDERATED]
        self.counts["federated"] += len(page) - len(native)
        if self.late:
            native = [user for user in native if self._is_new(user)]
        self._intend([user for user in native if not self._is_there(user)])
        for user in native:
            self.seen.add(self.destination.key(user))
            self._ensure(user)

    def _is_new(self, user: User) -> bool:
        """Whether the user was never carried: one who was, and is not there, was deleted there since."""
        came_from_there = mark(self.ctx.run, self.origin.pool, self.origin.login(user)) in self.made_at_origin
        return not came_from_there and self._mark(user) not in self.made and not self._is_there(user)

    def _is_there(self, user: User) -> bool:
        key = self.destination.key(user)
        if key not in self.there and self.destination.shared:
            found = self.destination.cognito.user(self.destination.pool, self.destination.login(user))
            if found is not None:
                self._claim(found)
                self.there[key] = found
        return key in self.there

    def _claim(self, user: User) -> None:
        """Raise `Mismatch` unless a user of the shared pool, found outside of the tenant's group, is the tenant's."""
        owner = user.attributes.get(self.tenant_attribute)
        ours = owner == self.tenant if owner else self._mark(user) in self.made
        if not ours:
            msg = (
                f"a username of {self.tenant} is taken in {self.destination.pool} by somebody who is not of this tenant"
            )
            raise errors.Mismatch(
                msg,
                next=f"rename that user at the source, then portability resume {self.ctx.run}",
                changed=f"The {self.ctx.view.serving} serves; that user was not touched.",
            )

    def _intend(self, missing: Sequence[User]) -> None:
        marks = sorted(self._mark(user) for user in missing)
        new = [one for one in marks if one not in self.made]
        if new:
            change = Change(
                step=self.ctx.step,
                sign=Sign.NOTE,
                kind=USER_PAGE,
                name=f"{len(new)} from {new[0]}",
                after={"pool": self.destination.pool, "marks": new},
            )
            self.ctx.intend(change, existed=False)
            self.made.update(new)

    def _mark(self, user: User) -> str:
        return mark(self.ctx.run, self.destination.pool, self.destination.login(user))

    def _ensure(self, user: User) -> None:
        pool, cognito = self.destination.pool, self.destination.cognito
        wanted = self._wanted(user)
        found = self.there.get(self.destination.key(user))
        if found is None:
            found = self._create(user, wanted)
        elif self._align(found, self._left_as_it_was(user, found, wanted)):
            self.counts["updated"] += 1
        else:
            self.counts["unchanged"] += 1
        name = found.username
        made = self._mark(user) in self.made
        if made and found.status == "FORCE_CHANGE_PASSWORD" and user.status in KNOWN_PASSWORD:
            # Nobody knows it: it lets the user ask for a new one, which a temporary password does not.
            again(
                self.ctx, lambda: cognito.set_password(pool, name, random_password(self.destination.minimum_password))
            )
        if found.enabled != user.enabled:
            again(self.ctx, lambda: cognito.switch_user(pool, name, enabled=user.enabled))
        self._join(user, found)
        self.counts["must_reset"] += made
        self.counts["disabled"] += not user.enabled
        if self.origin.mfa and made:
            known = self.origin.cognito.user(self.origin.pool, user.username)
            self.counts["mfa"] += bool(known and known.mfa)
        if made and self.flow is Flow.FORWARD:
            user_rows.ensure(self.ctx, found.username, legacy=user.attributes.get(LEGACY) or user.sub, sub=found.sub)

    def _wanted(self, user: User) -> dict[str, str]:
        carried = {
            name: value
            for name, value in user.attributes.items()
            if name not in OURS and not name.startswith("cognito:") and name not in self.fixed
        }
        lacking = sorted(name for name in carried if ":" in name and name not in self.destination.schema)
        if lacking:
            msg = f"the schema of {self.destination.pool} lacks {', '.join(lacking)}, which users of {self.tenant} have"
            raise errors.Mismatch(msg, next=f"aws cognito-idp add-custom-attributes, then {errors.AGAIN}")
        return {**carried, **self.fixed}

    def _left_as_it_was(self, user: User, found: User, wanted: Mapping[str, str]) -> Mapping[str, str]:
        """On the way home nothing is filled in that a user did without there: a run taken back leaves no trace."""
        if self.flow is Flow.FORWARD or self._mark(user) in self.made:
            return wanted
        return {name: value for name, value in wanted.items() if name in found.attributes or name not in self.fixed}

    def _create(self, user: User, wanted: Mapping[str, str]) -> User:
        pool, cognito, login = self.destination.pool, self.destination.cognito, self.destination.login(user)
        attributes = dict(wanted)
        if LEGACY in self.destination.schema and not self.destination.shared:
            attributes[LEGACY] = user.attributes.get(LEGACY) or user.sub
        try:
            made = again(self.ctx, lambda: cognito.create_user(pool, login, attributes))
        except errors.AlreadyExists as error:
            found = cognito.user(pool, login)  # our own reply that was lost
            if found is None or error.aws_code == "AliasExistsException":
                raise
            if self.destination.shared:
                self._claim(found)
            self._align(found, wanted)
            return found
        self.counts["created"] += 1
        return made

    def _align(self, found: User, wanted: Mapping[str, str]) -> bool:
        """Set and remove what differs; an attribute that may not change is counted and left."""
        pool, cognito, schema = self.destination.pool, self.destination.cognito, self.destination.schema
        have = found.attributes
        differing = {name: value for name, value in wanted.items() if have.get(name) != value}
        for address, flag in FLAGS.items():
            if address in differing:
                differing[flag] = wanted.get(flag, "false")
        fixed = {name for name in differing if not schema.get(name, {}).get("mutable", True)}
        self.counts["immutable"] += bool(fixed)
        changed = {name: value for name, value in differing.items() if name not in fixed}
        if changed:
            again(self.ctx, lambda: cognito.set_attributes(pool, found.username, changed))
        gone = sorted(
            name
            for name in have
            if name not in wanted and name not in OURS and not name.startswith("cognito:")
            if schema.get(name, {}).get("mutable", True) and not schema.get(name, {}).get("required", False)
        )
        if gone:
            again(self.ctx, lambda: cognito.remove_attributes(pool, found.username, gone))
        return bool(changed or gone)

    def _join(self, user: User, found: User) -> None:
        wanted, have = self._groups_wanted(user), self._groups_at(self.destination, found.username)
        pool, cognito = self.destination.pool, self.destination.cognito
        allowed = {self.destination.group} | self.shared_groups | self.carried_groups
        for group in sorted(wanted - have):
            if self.destination.shared and group not in allowed:
                msg = f"users of {self.tenant} are in the group {group}, which they may not simply join in {pool}"
                raise errors.Mismatch(msg, next="name it in the step: with: {shared_groups: [...]}, then plan again")
            self._ensure_group(group, Sign.NOTE)
            again(self.ctx, lambda group=group: cognito.ensure_in_group(pool, found.username, group))  # type: ignore[misc]
        extra = have - wanted - {self.destination.group}
        for group in sorted(extra & (self.shared_groups | self.carried_groups) if self.destination.shared else extra):
            again(self.ctx, lambda group=group: cognito.ensure_not_in_group(pool, found.username, group))  # type: ignore[misc]

    def _groups_wanted(self, user: User) -> set[str]:
        names = self._groups_at(self.origin, user.username)
        return {self.destination.group} | (names - set(self.groups.foreign(sorted(names))))

    def _groups_at(self, home: Home, username: str) -> set[str]:
        if not home.shared:
            return self.members.get(f"{home.pool}/{username}", set())
        return set(home.cognito.groups_of(home.pool, username))

    def _ensure_group(self, name: str, sign: Sign) -> None:
        """Ensure a group at the destination, defined as at the origin; the tenant's own is a change of its own."""
        if name in self.ensured:
            return
        cognito, pool = self.destination.cognito, self.destination.pool
        existed = cognito.group(pool, name) is not None
        if not existed:
            defined = self.origin.cognito.group(self.origin.pool, name) or Group(name=name)
            change = Change(step=self.ctx.step, sign=sign, kind="group", name=name, after={"pool": pool})
            self.ctx.intend(change, existed=existed)
            again(self.ctx, lambda: cognito.ensure_group(pool, defined))
        self.ensured.add(name)

    def _sweep(self) -> None:
        """Users the destination has and the origin has no more."""
        for key, user in self.there.items():
            if key in self.seen or user.status == FEDERATED or not self._gone_at_origin(user):
                continue
            self.ctx.check()
            self._remove(user)

    def _gone_at_origin(self, user: User) -> bool:
        """Only what was asked for and is absent is gone: a listing may lag."""
        found = self.origin.cognito.user(self.origin.pool, self.origin.login(user))
        if found is None:
            return True
        return self.origin.shared and self.origin.group not in self.origin.cognito.groups_of(
            self.origin.pool, found.username
        )

    def _remove(self, user: User) -> None:
        pool, cognito = self.destination.pool, self.destination.cognito
        came_from_here = mark(self.ctx.run, self.origin.pool, self.origin.login(user)) in self.made_at_origin
        if self._mark(user) in self.made:
            change = Change(step=self.ctx.step, sign=Sign.NOTE, kind="user removal", name=self._mark(user))
            self.ctx.intend(change, existed=True)
            again(self.ctx, lambda: cognito.ensure_no_user(pool, user.username))
            self.counts["deleted"] += 1
        elif came_from_here and user.enabled:
            # Deleted where the users lived meanwhile. Not ours to delete, and not to come back to life.
            change = Change(step=self.ctx.step, sign=Sign.NOTE, kind="user switched off", name=self._mark(user))
            self.ctx.intend(change, existed=True)
            again(self.ctx, lambda: cognito.switch_user(pool, user.username, enabled=False))
            self.counts["switched_off"] += 1
        else:
            self.counts["left"] += 1


def random_password(minimum: int) -> str:
    """A password that satisfies any policy of Cognito and that nobody gets to know: at least 24 characters."""
    classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "!#%&*+-=?@^_")
    length = max(24, minimum)
    drawn = [secrets.choice(one) for one in classes]
    drawn += [secrets.choice("".join(classes)) for _ in range(length - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)
