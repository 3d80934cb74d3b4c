"""What a gateway's answer must have, may have, and what is wrong with it: for the modules that read their shapes."""
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from eventapp.payments.provider import GatewayContractError


def matching(value: Any, pattern: re.Pattern) -> str:
    """The text, when it has this form; otherwise nothing."""
    return value if isinstance(value, str) and pattern.match(value) else ""


def moment(value: Any, zone: tzinfo = UTC) -> datetime | None:
    """ISO 8601; `zone` is what a gateway means that writes none."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value[:40])
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def object_of(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise GatewayContractError("wrong_shape", f"{name} is no object")
    return value


def list_of(body: Mapping[str, Any], name: str) -> list:
    """Empty where there is none."""
    value = body.get(name) or []
    if not isinstance(value, list):
        raise GatewayContractError("wrong_shape", f"{name} is no list")
    return value


def text_of(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise GatewayContractError("wrong_shape", f"{name} is missing")
    return value


def optional(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
