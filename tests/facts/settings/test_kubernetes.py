"""The environments of Kubernetes containers."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.kubernetes import blocks, expanded
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Setting

STORES = """
apiVersion: v1
kind: List
items:
  - kind: ConfigMap
    metadata: {name: mail}
    data: {HOST: mail.shop.example, PORT: "587"}
  - kind: Secret
    metadata: {name: mail}
    data: {USER: YW5u, BAD: "not base64!", LINE: cHcK}
    stringData: {PLAIN: "p w"}
"""


def pod(kind: str, container: str) -> str:
    """A manifest of one container."""
    inner = f"{{containers: [{container}]}}"
    spec = inner if kind == "Pod" else f"{{template: {{spec: {inner}}}}}"
    if kind == "CronJob":
        spec = f"{{jobTemplate: {{spec: {spec}}}}}"
    return f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: shop}}\nspec: {spec}\n"


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_every_workload(kind: str) -> None:
    """env over envFrom, prefixes, references between variables, the line of each."""
    container = """{name: web, image: "shop:1",
      envFrom: [{prefix: SMTP_, configMapRef: {name: mail}}, {secretRef: {name: mail}}],
      env: [{name: SMTP_PORT, value: "465"}, {name: URL, value: "smtp://$(SMTP_HOST):$(NO)$$(X)"},
        {name: PASS, valueFrom: {secretKeyRef: {name: mail, key: PLAIN}}}]}"""
    look = Look(ToldTree({"k8s/a.yaml": STORES, "k8s/b.yaml": pod(kind, container)}))
    (block,) = blocks(look)
    told = {n: s.value for n, s in block.values.items()}
    assert told | {"BAD": "", "LINE": ""} == {
        "SMTP_HOST": "mail.shop.example", "SMTP_PORT": "465", "USER": "ann", "BAD": "", "LINE": "", "PLAIN": "p w",
        "URL": "smtp://mail.shop.example:$(NO)$(X)", "PASS": "p w",
    }  # fmt: skip
    faults = {n: [f.kind for f in s.faults] for n, s in block.values.items() if s.faults}
    assert faults == {"BAD": ["not-base64"], "LINE": ["trailing-blank"], "URL": ["expanded", "expanded"]}
    assert str(block.values["PASS"].origin.place) == "k8s/a.yaml:11"
    assert [s.value for s in block.values["SMTP_PORT"].shadowed] == ["587"]
    assert (block.folder, block.environment, block.image, look.unread) == ("", None, "shop:1", [])


def test_folders_name_applications_and_environments() -> None:
    """Manifests stand beside their application; an overlay, or a variable, is an environment."""
    one = "{name: web, env: [{name: A, value: '1'}%s]}"
    files = {
        "api/deploy/overlays/prod/web.yaml": pod("Deployment", one % ""),
        "web/k8s/web.yaml": pod("Deployment", one % ", {name: NODE_ENV, value: staging}"),
        "x.yaml": pod("Pod", one % ""),
    }
    assert [(b.folder, b.environment) for b in blocks(Look(ToldTree(files)))] == [
        ("api", "prod"), ("web", "staging"), ("", None),
    ]  # fmt: skip


def test_what_is_not_here_is_said() -> None:
    """Templates, Secrets that are elsewhere, keys that are missing, fields of the cluster."""
    container = """{name: web, env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: k}}},
      {name: B, valueFrom: {configMapKeyRef: {name: mail, key: gone}}},
      {name: C, valueFrom: {fieldRef: {fieldPath: x}}},
      {name: D, valueFrom: {secretKeyRef: {name: maybe, key: k, optional: true}}}]}"""
    files = {
        "a.yaml": STORES,
        "b.yaml": pod("Pod", container),
        "c.yaml": "apiVersion: v1\nkind: Pod\nspec: {{ .x }}\n",
        "d.yaml": "apiVersion: [\nkind: Pod\n",
    }
    look = Look(ToldTree(files))
    (block,) = blocks(look)
    assert {n: s.value for n, s in block.values.items()} == {"A": None, "B": None, "C": None, "D": None}
    assert [(u.place.file, u.why.split(":")[0]) for u in look.unread] == [
        ("c.yaml", "a template"), ("d.yaml", "no valid YAML"), ("b.yaml", "it is not in this tree"),
        ("b.yaml", "the ConfigMap has no such key"), ("b.yaml", "known to the cluster alone"),
    ]  # fmt: skip


@given(st.text("a$()\n ", max_size=40))
def test_references_end_and_dollars_can_be_written(text: str) -> None:
    """Never an error; doubled dollars come back."""
    known = {"a": Setting("a", "$(a)", None, "")}
    assert isinstance(expanded(text, known)[0], str)
    assert expanded(text.replace("$", "$$"), known) == (text, ())


@given(st.text(max_size=30).map(str.strip))
def test_what_was_encoded_is_decoded(text: str) -> None:
    """The data of a Secret, whatever the text."""
    data = base64.b64encode(text.encode()).decode()
    files = {
        "a.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{K: '{data}'}}\n",
        "b.yaml": pod("Pod", "{name: web, envFrom: [{secretRef: {name: s}}]}"),
    }
    (block,) = blocks(Look(ToldTree(files)))
    assert block.values["K"].value == text


@given(
    st.recursive(
        st.text("a$ {}:", max_size=5) | st.none(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["metadata", "name", "template", "containers", "env", "value", "valueFrom", "data", "envFrom"]
                ),
                inner,
            )
        ),
    ),
    st.sampled_from(["Pod", "Deployment", "Secret", "ConfigMap", "List", "CronJob"]),
)
def test_no_manifest_raises(tree: object, kind: str) -> None:
    """Whatever shape the document has."""
    text = (
        "apiVersion: v1\nkind: "
        + kind
        + "\n"
        + "".join(f"{n}: {json.dumps(tree)}\n" for n in ("spec", "data", "items"))
    )
    assert isinstance(list(blocks(Look(ToldTree({"a.yaml": text})))), list)
