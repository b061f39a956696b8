"""What Lambda reads a table's stream. Source: AWS Lambda ListEventSourceMappings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from portability.aws.caller import Caller

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef


@dataclass(frozen=True)
class EventSource:
    """One mapping: its id, the function's ARN, the stream's ARN, its state, and whether it filters its events."""

    id: str
    function: str
    source: str
    state: str  # Enabled, Disabled, Creating, Updating, Deleting, …
    filtered: bool


class EventSources:
    """Event source mappings of one region and role, listed only. Thread-safe."""

    def __init__(self, client: LambdaClient, call: Caller) -> None:
        self._client = client
        self._call = call

    def mappings(self, arn: str) -> list[EventSource]:
        """The mappings of a stream, or of any stream of a table, present or past: `arn` is the stream's or the table's.

        Every mapping of the region is listed, since the service filters by a whole stream ARN only.
        """
        pages = self._call.pages(self._client.list_event_source_mappings, answered="NextMarker", asked="Marker")
        listed = [_mapping(found) for page in pages for found in page["EventSourceMappings"]]
        return [mapping for mapping in listed if mapping.source == arn or mapping.source.startswith(f"{arn}/stream/")]


def _mapping(found: EventSourceMappingConfigurationTypeDef) -> EventSource:
    return EventSource(
        id=found.get("UUID", ""),
        function=found.get("FunctionArn", ""),
        source=found.get("EventSourceArn", ""),
        state=found.get("State", ""),
        filtered=bool(found.get("FilterCriteria", {}).get("Filters")),
    )
