"""`init --discover`, the writing: a survey as an estate file. What was seen stands there, what was guessed says why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from portability.cli.survey import PAGE, Survey, TierSeen, UsersSeen
from portability.cli.survey_stores import POOLED, StoreSeen

WHY_AT = 58
"""The column in which a line says where it comes from."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_.:/-]*\Z")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})

HEAD = """\
# Written by `portability init --discover` from what is in account {account}, region {region}, where nothing changed.
# A line that says `guessed` could not be seen from outside; a line behind # is for you to decide.
# `portability validate` checks this file, docs/reference/estate.md explains every field and its default.

apiVersion: portability/v1
kind: Estate"""

AFTER = """\
fence:                                        # the pause of this tenant's writes at cutover
  use: [epoch]                                # guessed: the application must check the epoch, docs/how-to/own-estate.md
  freeze_max: 5s                              # longer than this, and the cutover takes itself back

{archive}

soak: 24h                                     # how long `portability reverse` keeps the old side current"""


def draft(survey: Survey) -> str:
    """The file's text."""
    parts = [
        HEAD.format(account=survey.account, region=survey.region),
        _lines(_accounts(survey)),
        _lines(_directory(survey)),
        _lines(_mapping(survey)),
        _lines(_keys(survey)),
        _lines(_users(survey.users)),
        _lines(_tiers(survey)),
        _lines(_stores(survey)),
        AFTER.replace("{archive}", _lines(_archive(survey))),
        _lines(_left(survey)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


Line = tuple[str, str]
"""A line of YAML, and where it comes from ("" where that is plain)."""


def _lines(lines: Iterator[Line]) -> str:
    return "\n".join(f"{text:<{WHY_AT - 1}} # {why}" if why else text for text, why in lines)


def _accounts(survey: Survey) -> Iterator[Line]:
    yield "accounts:", ""
    yield f'  allowed: ["{survey.account}"]', "these credentials belong to it"
    yield f"  regions: [{survey.region}]", "where the directory is; add others where tenants are"
    yield "", ""
    yield "journal:", ""
    if survey.journal:
        yield f"  table: {_text(survey.journal)}", "is there"
    else:
        yield "  table: portability-journal", "guessed: `portability init` makes it"


def _directory(survey: Survey) -> Iterator[Line]:
    seen = survey.directory
    yield "directory:", ""
    yield f"  table: {_text(seen.table)}", f"{len(seen.tenants)} tenants seen"
    for other in seen.also:
        yield f"  # table: {_text(other)}", "has a tenant id as its key and a tier too"
    yield f"  key: {_text(seen.key)}", ""
    for role in ("tier", "user_pool", "client", "api_key", "url", "dedicated", "active"):
        if role in seen.roles:
            yield f"  {role}: {_text(seen.roles[role])}", ""
        else:
            yield f"  {role}: null", "no attribute of a record is named like it"
    if survey.placement:
        yield f"  placement: {_text(survey.placement)}", "its values are names of pools"
    for attribute, held in seen.inside.items():
        yield f"  json: {{{_text(attribute)}: [{', '.join(map(_text, held))}]}}", "a JSON string that holds these"
    yield "  cache: 5s", "guessed: how long your application acts on a record it has read, its request included"


def _mapping(survey: Survey) -> Iterator[Line]:
    seen = survey.mapping
    if seen is None:
        return
    yield "stack_mapping:", ""
    yield f"  table: {_text(seen.table)}", ""
    yield f"  key: {_text(seen.key)}", ""
    yield f"  stack: {_text(seen.stack)}", ""
    why = "this row stands for no tenant" if seen.pooled_row else "guessed: no row stands for the pooled tenants"
    yield f"  pooled_row: {_text(seen.pooled_row or 'pooled')}", why
    why = "as a tenant's own stack is called" if seen.name else "guessed: no tenant has a stack of its own"
    yield f"  name: {_text(seen.name or 'stack-{slug}')}", why


def _keys(survey: Survey) -> Iterator[Line]:
    why = {
        "per_tenant": "no two records carry the same key",
        "shared_per_tier": "records share keys, and there is a parameter for each tier",
        "none": "guessed: records carry no keys of their own, and no parameter is named after each tier",
    }
    yield f"api_keys: {survey.api_keys}", why[survey.api_keys]
    if survey.api_key_parameter:
        yield f"api_key_parameter: {_text(survey.api_key_parameter)}", ""


def _users(seen: UsersSeen | None) -> Iterator[Line]:
    if seen is None:
        return
    yield "cognito:", ""
    if seen.settings_table:
        yield f"  settings_table: {_text(seen.settings_table)}", ""
        yield f"  setting: {_text(seen.setting)}", "names the shared pool"
        if seen.client_setting:
            yield f"  client_setting: {_text(seen.client_setting)}", "names its app client"
        yield f"  setting_key: {_text(seen.setting_key)}", ""
        yield f"  setting_value: {_text(seen.setting_value)}", ""
    else:
        yield f"  pool_id: {_text(seen.pool_id)}", "the pool of most tenants that are not alone"
    why = "groups are named by tenants" if seen.grouped else "guessed: no group is named after a tenant"
    yield '  group: "{tenant}"', why
    why = "as a tenant's own pool is called" if seen.silo_pool else "guessed: no tenant has a pool of its own"
    yield f"  silo_pool: {_text(seen.silo_pool or '{slug}-users')}", why
    for field, name in (("tenant_attribute", seen.tenant_attribute), ("tier_attribute", seen.tier_attribute)):
        if name:
            yield f"  {field}: {_text(name)}", ""
        else:
            yield f"  # {field}: custom:NAME", "the pool's schema has no attribute named like it"
    if seen.mapping_table:
        yield f"  mapping_table: {_text(seen.mapping_table)}", ""


def _tiers(survey: Survey) -> Iterator[Line]:
    pools = sorted({pool for store in survey.stores for pool in store.pools})
    yield "tiers:", ""
    for name, tier in survey.tiers.items():
        yield f"  {_text(name)}:", f"{tier.tenants} tenants seen"
        yield from _tier(tier, pools)
    for name in survey.idle_plans:
        told = f"  # {_text(name)}: {{model: silo, identity: silo, usage_plan: {_text(name)}}}"
        yield told, "guessed: a usage plan of that name is there, and no tenant"


def _tier(tier: TierSeen, pools: list[str]) -> Iterator[Line]:
    why = "tables of the tenant's own" if tier.model == "silo" else "data in shared tables"
    yield f"    model: {tier.model}", why
    yield f"    identity: {tier.identity}", ""
    if tier.usage_plan:
        yield f"    usage_plan: {_text(tier.usage_plan)}", "the plan of the same name"
    if tier.model == "silo":
        yield "    provision: {with: clone}", "guessed: made like the shared ones; `adopt` waits for your own IaC"
    elif len(pools) > 1:
        yield "    placements:", ""
        for pool in sorted(pools, key=lambda pool: (pool != POOLED, pool)):
            yield f"      {'default' if pool == POOLED else _text(pool)}: {{pool: {_text(pool)}}}", ""


def _stores(survey: Survey) -> Iterator[Line]:
    yield "stores:", ""
    for store in survey.stores:
        yield f"  {_text(store.name)}:", f"{store.sampled} keys looked at"
        yield from _store(store)


def _store(store: StoreSeen) -> Iterator[Line]:
    yield f"    pool: {_text(store.pool)}", ""
    if store.siloed:
        yield f"    silo: {_text(store.silo)}", "as a tenant's own table is called"
    else:
        yield f"    silo: {_text(store.silo)}", "guessed: no tenant has a table of its own"
    yield f"    partition_key: {_text(store.partition_key)}", ""
    if store.sort_key:
        yield f"    sort_key: {_text(store.sort_key)}", ""
    yield "    tenant:", ""
    yield f"      pattern: {_text(store.pattern.text)}", f"so read {store.pattern.part:.0%} of them"
    if store.pattern.suffixes is not None:
        low, high = store.pattern.suffixes
        seen = f"guessed: {low} to {high} were seen; what your application draws from, ends included"
        yield f"      suffixes: {{default: [{min(low, 1)}, {high + 1}]}}", seen
    if "{rest}" in store.pattern.text:
        if store.pattern.gsi is not None:
            gsi, attribute = store.pattern.gsi
            yield f"      enumerate: {{gsi: {_text(gsi)}, attribute: {_text(attribute)}}}", "lists a tenant's keys"
        else:
            yield "      enumerate: {scan: true}", "guessed: no index lists a tenant's keys"
    if store.ttl:
        yield f"    ttl: {_text(store.ttl)}", ""
    if store.consumers:
        yield "    consumers:", "each reads this table's changes"
        for name in store.consumers:
            yield f"      - {{name: {_text(name)}, on_move: attach_at_flip}}", "guessed: or tolerate, or hook"


def _archive(survey: Survey) -> Iterator[Line]:
    why = "`complete` archives the old copy there before it deletes it"
    if survey.archive:
        yield f"archive: {{bucket: {_text(survey.archive)}}}", f"guessed by its name: {why}"
    else:
        yield "# archive: {bucket: YOUR-BUCKET}", why


def _left(survey: Survey) -> Iterator[Line]:
    if survey.unclaimed:
        yield (
            f"# Tables in no store, of whose first {PAGE} keys too few hold a tenant: {', '.join(survey.unclaimed)}",
            "",
        )
    for one in survey.unseen:
        yield f"# Not looked at: {' '.join(one.split())}", ""


def _text(value: str) -> str:
    """A YAML scalar that reads as this very text."""
    return value if _PLAIN.match(value) and value.lower() not in _NOT_TEXT else json.dumps(value, ensure_ascii=True)
