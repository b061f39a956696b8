"""The target table: cloned from the source, or adopted as it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from portability import errors
from portability.aws.dynamodb import Dynamo
from portability.model.change import Change, Sign
from portability.stores.dynamodb.table import Table, clone_request, observe

RUN_TAG, TENANT_TAG = "portability:run", "tenant"
PATIENCE = 600.0  # seconds a table may take to become ACTIVE, or to go
LOOK_EVERY = 0.5

Intend = Callable[[Change, bool], bool | None]
"""Told of each effect before it happens, with whether the thing was there; may answer what its first record says."""


@dataclass(frozen=True)
class Provision:
    """Provisions the target of one store's move. `clone` is false where somebody else makes the table."""

    store: str
    tenant: str
    source: Dynamo
    source_table: str
    target: Dynamo
    target_table: str
    clone: bool
    streamed: bool  # consumers follow the table's changes, so the clone has a stream as the model has
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    def preview(self) -> list[Change]:
        """What is still needed."""
        target = observe(self.target, self.target_table)
        if target is None:
            return [self._create(self._model())]
        return [
            Change(step="", sign=Sign.SAME, kind="table", name=self.target_table, detail=f"there: {target.summary}")
        ]

    def ensure(self, run: str, intend: Intend) -> None:
        """See `Move.provision`."""
        model, target = self._model(), observe(self.target, self.target_table)
        if not self.clone:
            self._adopt(model, target)
            return
        create = self._create(model)
        first_record = intend(create, target is not None)
        if target is None:
            self._make(model, run)
        elif not self._is_ours(model, target, run, first_record):
            raise errors.PreflightRefused(
                f"table {self.target_table} is there and was not made by this run; adopt it, or take it away",
                next=f"portability doctor {self.tenant}",
            )
        made = self._wait_active()
        if model.ttl and made.ttl != model.ttl:
            self.target.enable_ttl(self.target_table, model.ttl)
        if model.pitr and not made.pitr:
            self.target.enable_pitr(self.target_table)
        self.target.tag(made.arn, self._tags(model, run))

    def remove(self, run: str, *, created: bool) -> None:
        """See `Move.unprovision`."""
        target = observe(self.target, self.target_table)
        if not (created and self.clone) or target is None:
            return
        tags = self.target.tags(target.arn)
        if tags is not None and tags.get(RUN_TAG) != run:
            return
        delete_table(self.target, self.target_table, self.monotonic, self.sleep)

    def _model(self) -> Table:
        model = observe(self.source, self.source_table)
        if model is None:
            raise errors.PreflightRefused(
                f"the source table {self.source_table} is not there", next=f"portability doctor {self.tenant}"
            )
        return model

    def _create(self, model: Table) -> Change:
        detail = (
            f"as {self.source_table}: {model.summary}" if self.clone else "expected from your own IaC; it is not there"
        )
        sign = Sign.CREATE if self.clone else Sign.NOTE
        after = model.facts() if self.clone else None
        return Change(step="", sign=sign, kind="table", name=self.target_table, after=after, detail=detail)

    def _adopt(self, model: Table, target: Table | None) -> None:
        if target is None:
            wrong = [f"table {self.target_table} is not there; it is expected from your own IaC"]
        else:
            wrong = [f"table {self.target_table}: {each}" for each in model.differences(target)]
        if wrong:
            raise errors.PreflightRefused("\n".join(wrong), next=f"portability doctor {self.tenant}")

    def _make(self, model: Table, run: str) -> None:
        request = clone_request(
            model, self.target_table, self._tags(model, run), model.stream_view if self.streamed else None
        )

        def is_there() -> bool:
            try:
                self.target.create_table(**request)
            except errors.AlreadyExists:
                pass  # our own lost reply: it was not there when we looked, and we had said that we would
            except errors.NoDefiniteAnswer:
                return False  # asked for again: the request may never have arrived
            return True

        self._await(is_there, "did not appear")

    def _tags(self, model: Table, run: str) -> dict[str, str]:
        inherited = self.source.tags(model.arn) or {}
        kept = {key: value for key, value in inherited.items() if not key.startswith(("aws:", "portability:"))}
        return {**kept, RUN_TAG: run, TENANT_TAG: self.tenant}

    def _is_ours(self, model: Table, target: Table, run: str, first_record: bool | None) -> bool:  # noqa: FBT001 - an answer
        tags = self.target.tags(target.arn)
        if tags is not None:
            return tags.get(RUN_TAG) == run
        # An engine without tags: the journal tells, or the table is what we would have made and nobody has used it.
        return first_record is False or not (model.differences(target) or self.target.scan(target.name, limit=1).count)

    def _wait_active(self) -> Table:
        self._await(
            lambda: (table := observe(self.target, self.target_table)) is not None and table.active, "is not ACTIVE"
        )
        made = observe(self.target, self.target_table)
        if made is None:
            raise errors.NotFound(
                f"{self.target_table} went while it was provisioned",
                operation="dynamodb.DescribeTable",
                aws_code="NotFound",
            )
        return made

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        await_table(holds, f"{self.target_table} {what}", self.monotonic, self.sleep)


def delete_table(dynamo: Dynamo, table: str, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Delete a table and wait until it is gone; nothing where there is none.

    A table that is being created or updated is in use, and is asked for again. Source: AWS, DeleteTable.
    """
    asked = False

    def is_gone() -> bool:
        nonlocal asked
        if not asked:
            try:
                dynamo.delete_table(table)
                asked = True
            except errors.NotFound:
                return True
            except (errors.AlreadyExists, errors.NoDefiniteAnswer):
                pass  # in use, or nobody knows: asked for once more where it is still there
        return dynamo.describe(table) is None

    await_table(is_gone, f"{table} is not gone", monotonic, sleep)


def await_table(
    holds: Callable[[], bool], what: str, monotonic: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Wait for a table; raises `Unavailable` when patience ends."""
    deadline = monotonic() + PATIENCE
    while not holds():
        if monotonic() >= deadline:
            raise errors.Unavailable(
                f"{what} after {PATIENCE:g} s",
                operation="dynamodb.DescribeTable",
                aws_code="NotReady",
                next=errors.AGAIN,
            )
        sleep(LOOK_EVERY)
