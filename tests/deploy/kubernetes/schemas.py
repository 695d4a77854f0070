"""Schemas of manifests: Kubernetes' own kinds, KEDA's, and those of Prometheus' operator."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
from cloudcoil.models.keda import v1alpha1
from cloudcoil.models.prometheus_operator import v1

__all__ = ["objections"]

_MODELS = {"keda.sh/v1alpha1": v1alpha1, "monitoring.coreos.com/v1": v1}


def objections(manifest: Mapping[str, Any]) -> list[str]:
    """What the schema of its kind has against a manifest, fields that it does not know included.

    Raises:
        AttributeError, kubernetes_validate.SchemaNotFoundError: there is no such kind.
    """
    if manifest["apiVersion"] in _MODELS:
        errors = _validator(manifest["apiVersion"], manifest["kind"]).iter_errors(manifest)
        return [f"{error.json_path}: {error.message}" for error in errors]
    try:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


@cache
def _validator(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    """By the operator's own definition, with no field but those that it names: operators drop others without a word."""
    schema: dict[str, Any] = getattr(_MODELS[api_version], kind).model_json_schema()
    for one in (schema, *schema["$defs"].values()):
        if "properties" in one:
            one.setdefault("additionalProperties", False)
    return jsonschema.Draft202012Validator(schema)
