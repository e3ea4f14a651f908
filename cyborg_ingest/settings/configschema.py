"""The JSON Schema of the configuration file, made from the declarations of the options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from cyborg_ingest.settings.configkeys import INDEX, INHERIT, JOB, PROFILE, SOURCES, known_keys

if TYPE_CHECKING:
    from cyborg_ingest.settings.configkeys import Key

_DRAFT = "http://json-schema.org/draft-07/schema#"
"""The one that editors of TOML know best."""

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
_VARIABLE = {"type": "string", "pattern": r"\$\{"}
"""What stands for a value that a variable has."""

_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}


def schema() -> dict[str, Any]:
    """The schema, of draft 7."""
    own = _properties("")
    profile = {"type": "object", "properties": {**own, INHERIT: _TEXTS}, "additionalProperties": False}
    properties = {**_properties(f"{JOB}."), INHERIT: _TEXTS}
    job = {"type": "object", "properties": properties, "additionalProperties": False}
    return {
        "$schema": _DRAFT,
        "title": "cyborg-ingest.toml",
        "description": "For all commands, by profile and by job.",
        "type": "object",
        "properties": {
            **own,
            PROFILE: {
                "type": "object",
                "description": "Sections of options, each by its name.",
                "additionalProperties": profile,
            },
            JOB: {"type": "object", "description": "Loads, each by its name.", "additionalProperties": job},
        },
        "additionalProperties": False,
    }


def _properties(section: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, key in known_keys(section).items():
        one = _property(key)
        for spelling in dict.fromkeys((name, name.replace("-", "_"))):
            found[spelling] = one
    return found


def _property(key: Key) -> dict[str, Any]:
    if key.settings is None or key.declared is None:
        text = {SOURCES: "What is loaded.", INDEX: "The index.", PROFILE: "The profile that the job uses."}
        return {"description": text[key.field], **(_TEXTS if key.is_list else _TEXT)}
    found: dict[str, Any] = {"description": key.declared.help}
    if key.is_list:
        return {**found, **_TEXTS}
    hint = get_type_hints(key.settings)[key.field]
    kind = next(one for one in (*get_args(hint), hint) if one in _TYPES)
    bounds = {"minimum": key.declared.minimum, "maximum": key.declared.maximum, "enum": key.declared.choices}
    value: dict[str, Any] = {"type": _TYPES[kind]}
    value |= {name: bound for name, bound in bounds.items() if bound is not None}
    if key.declared.parse is not None and not key.declared.is_secret:  # what else it takes is said in its description
        value = {"type": ["string", "integer"]}
    return {**found, "anyOf": [value, _VARIABLE]} if "enum" in value else {**found, **value}
