"""Kubernetes manifests: what ``env`` and ``envFrom`` give containers, with ConfigMaps and Secrets followed.

Source: Kubernetes documentation, "Define Environment Variables for a Container", "Secrets" (``data`` is base64,
``stringData`` plain) and the reference of EnvVar (``$(NAME)`` of a variable set before, ``$$`` a dollar).

What this file will not do: run Helm or Kustomize, or ask a cluster. A template is said to be unread.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from deliverkit.facts.settings.blocks import Block, stage_of
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.names import transports
from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault
from deliverkit.facts.settings.yamlnodes import Node, get, items, line_of, pairs, read_yaml, scalar

_WORKLOADS = {
    "Pod": ("spec",), "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"), ("spec", "template", "spec")),
}  # fmt: skip
_OF_INTEREST = re.compile(rf"^[ \t-]*kind:[ \t]*[\"']?(?:{'|'.join(_WORKLOADS)}|ConfigMap|Secret|List)\b", re.MULTILINE)
_ROOMS = frozenset(
    (
        "k8s", "kubernetes", "kube", "deploy", "deployment", "deployments", "manifests", "base", "helm", "chart",
        "charts", "templates", "infra", "ops",
    )
)  # fmt: skip
"""Folders of manifests, beside the application they are for."""
_MOST_FILES = 500
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)", re.ASCII)


@dataclass
class _Cluster:
    """The documents of a tree: workloads in order, and what they refer to by (kind, namespace, name)."""

    workloads: list[tuple[str, str, str, Node]] = field(default_factory=list)
    """File, namespace, name and the specification of the pod."""
    stores: dict[tuple[str, str, str], list[tuple[str, dict[str, Setting]]]] = field(default_factory=dict)
    """Of each name the files that define it, and what they hold."""


def read(look: Look) -> Iterator[MailSettings]:
    """The transports that variables of containers name, and that no other reader knows."""
    yield from transports(look, "kubernetes")


def blocks(look: Look) -> Iterator[Block]:
    """The variables of every container in the tree's manifests."""
    cluster = _Cluster()
    count = 0
    for path in look.tree.paths:
        if not path.endswith((".yaml", ".yml")) or not look.tree.mentions(path, "apiVersion"):
            continue
        text = look.tree.text(path)
        if text is None or not _OF_INTEREST.search(text):
            continue
        count += 1
        if count > _MOST_FILES:
            look.unread.append(Unread(Place(path), "", f"more than {_MOST_FILES} manifests: the rest was not read"))
            break
        if "{{" in text:
            look.unread.append(Unread(Place(path), "{{ … }}", "a template: what it becomes is known to Helm alone"))
            continue
        told = read_yaml(text, path)
        look.unread.extend(told.unread)
        for document in told.documents:
            _sort(document, path, cluster)
    for path, namespace, name, pod in cluster.workloads:
        yield from _containers(look, cluster, path, namespace, name, pod)


def _sort(document: Node, path: str, cluster: _Cluster) -> None:
    kind = scalar(get(document, "kind")) or ""
    if kind == "List":
        for one in items(get(document, "items")):
            if scalar(get(one, "kind")) != "List":
                _sort(one, path, cluster)
        return
    name = scalar(get(document, "metadata", "name")) or ""
    namespace = scalar(get(document, "metadata", "namespace")) or ""
    if kind in _WORKLOADS:
        pod = get(document, *_WORKLOADS[kind])
        if pod is not None:
            cluster.workloads.append((path, namespace, name, pod))
    elif kind in ("ConfigMap", "Secret"):
        values = {key: _stored(kind, key, value, path) for key, value in pairs(get(document, "data"))}
        for key, value in pairs(get(document, "stringData")):  # it wins over data
            values[key] = Setting(key, scalar(value), Place(path, line_of(value)), path, faults=_ends(scalar(value)))
        cluster.stores.setdefault((kind, namespace, name), []).append((path, values))


def _stored(kind: str, key: str, value: Node, path: str) -> Setting:
    """One entry; that of a Secret is decoded. What is no base64 is kept as it is, with the fault."""
    text = scalar(value)
    place = Place(path, line_of(value))
    if kind != "Secret" or text is None:
        return Setting(key, text, place, path, faults=_ends(text))
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return Setting(key, text, place, path, faults=(ValueFault("not-base64", "data of a Secret is base64"),))
    return Setting(key, decoded, place, path, faults=_ends(decoded, "; encode it with printf or echo -n"))


def _ends(text: str | None, more: str = "") -> tuple[ValueFault, ...]:
    """The fault of a value that ends with a blank or a line end."""
    if text is None or text == text.rstrip() or "\n" in text.strip():
        return ()
    what = "a line end" if text.endswith("\n") else "a blank"
    return (ValueFault("trailing-blank", f"{what} at its end{more}"),)


# -- containers --------------------------------------------------------------------------------------------


def _containers(look: Look, cluster: _Cluster, path: str, namespace: str, name: str, pod: Node) -> Iterator[Block]:
    for node in (*items(get(pod, "initContainers")), *items(get(pod, "containers"))):
        values: dict[str, Setting] = {}
        for one in items(get(node, "envFrom")):
            prefix = scalar(get(one, "prefix")) or ""
            for kind, word in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                store = get(one, word)
                if store is not None:
                    held = _store(look, cluster, kind, namespace, store, path)
                    values |= {f"{prefix}{key}": _named(f"{prefix}{key}", s) for key, s in held.items()}
        for one in items(get(node, "env")):
            key = scalar(get(one, "name"))
            if key:
                losers = (values[key], *values[key].shadowed) if key in values else ()
                values[key] = replace(_variable(look, cluster, namespace, path, key, one, values), shadowed=losers)
        if values:
            container = scalar(get(node, "name")) or name
            folder, told = _home(path)
            image = scalar(get(node, "image")) or ""
            place = Place(path, line_of(node))
            yield Block("kubernetes", container, place, folder, stage_of(values) or told, image, values)


def _variable(
    look: Look, cluster: _Cluster, namespace: str, path: str, key: str, node: Node, before: Mapping[str, Setting]
) -> Setting:
    place = Place(path, line_of(node))
    source = get(node, "valueFrom")
    if source is None:
        written = get(node, "value")
        text = scalar(written) or ""
        told, faults = expanded(text, before)
        here = place if written is None else Place(path, line_of(written))
        return Setting(key, told, here, path, faults=(*faults, *_ends(told)))
    for kind, word in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
        reference = get(source, word)
        if reference is not None:
            held = _store(look, cluster, kind, namespace, reference, path)
            inner = scalar(get(reference, "key")) or ""
            if held and inner not in held:
                store = scalar(get(reference, "name"))
                look.unread.append(Unread(place, f"{word}: {store}/{inner}", f"the {kind} has no such key"))
            via = held.get(inner)
            if via is None:
                return Setting(key, None, place, path)
            return Setting(key, via.value, place, path, via=via, faults=via.faults)
    look.unread.append(Unread(place, f"{key}: valueFrom", "known to the cluster alone"))
    return Setting(key, None, place, path)


def _store(look: Look, cluster: _Cluster, kind: str, namespace: str, node: Node, path: str) -> Mapping[str, Setting]:
    """What a ConfigMap or Secret holds: that of the same folder if several have its name."""
    name = scalar(get(node, "name")) or ""
    found = cluster.stores.get((kind, namespace, name)) or cluster.stores.get((kind, "", name)) or []
    if not found:
        if scalar(get(node, "optional")) != "true":
            look.unread.append(Unread(Place(path, line_of(node)), f"{kind} {name}", "it is not in this tree"))
        return {}
    here = posixpath.dirname(path)
    return next((values for file, values in found if posixpath.dirname(file) == here), found[0][1])


def _named(name: str, setting: Setting) -> Setting:
    return setting if setting.name == name else replace(setting, name=name, via=setting)


def expanded(text: str, before: Mapping[str, Setting]) -> tuple[str, tuple[ValueFault, ...]]:
    """``$(NAME)`` of a variable that was set before; a name nobody set stays as it is, ``$$`` is a dollar."""
    faults: list[ValueFault] = []

    def stands_for(match: re.Match[str]) -> str:
        if match[1] is None:
            return "$"
        found = before.get(match[1])
        told = f"$({match[1]}) is {'set' if found is not None else 'not set, and stays as it is'}"
        faults.append(ValueFault("expanded", told))
        return match[0] if found is None or found.value is None else str(found.value)

    return _REFERENCE.sub(stands_for, text), tuple(faults)


def _home(path: str) -> tuple[str, str | None]:
    """The folder of the application that manifests stand beside, and the environment their folder is called after."""
    parts = posixpath.dirname(path).split("/") if "/" in path else []
    told: str | None = None
    while parts:
        if len(parts) > 1 and parts[-2] in ("overlays", "environments", "envs"):
            told, parts = told or parts[-1], parts[:-2]
        elif parts[-1] in _ROOMS:
            parts = parts[:-1]
        else:
            break
    return "/".join(parts), told
