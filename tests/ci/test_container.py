"""The container file: no builder is needed to see that what it copies is there and how it installs.

An image itself is built where the program `buildah` or `podman` and its base image are: by whoever releases one.
"""

from __future__ import annotations

import re
from pathlib import Path

import deliverkit
from tests.ci.repository import ROOT

FILE = ROOT / ".container" / "Containerfile"
TEXT = FILE.read_text("utf-8")
LINES = [
    line.strip()
    for line in re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", TEXT)).splitlines()
    if line.strip()
]  # fmt: skip


def instructions(word: str) -> list[str]:
    """The rest of every line that begins with this instruction."""
    return [line.partition(" ")[2] for line in LINES if line.partition(" ")[0] == word]


def test_it_copies_what_is_there_and_what_the_build_reads() -> None:
    """Each source exists, and the package's own files are among them."""
    sources = [word for line in instructions("COPY") for word in line.split()[:-1]]
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    ignored = (FILE.parent / "Containerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == set(sources)


def test_images_have_plain_names() -> None:
    """Which registry they come from is for whoever builds to say."""
    for image in instructions("FROM"):
        assert re.fullmatch(r"python:\$\{PYTHON\}-slim( AS build)?", image)
    assert instructions("ARG")[0] == "PYTHON=3.13"


def test_nobody_is_root_and_the_program_is_the_entry() -> None:
    """And the version that it is labelled with is that of the package."""
    last = LINES[max(number for number, line in enumerate(LINES) if line.startswith("FROM")) :]
    user = last.index("USER 10001:10001")
    assert not [line for line in last[user:] if line.startswith("RUN")]
    assert instructions("ENTRYPOINT") == ['["deliverkit"]']
    assert f"VERSION={deliverkit.__version__}" in instructions("ARG")


def test_no_instruction_keeps_a_cache() -> None:
    """pip is told so wherever it runs."""
    assert all("--no-cache-dir" in line for line in instructions("RUN") if " pip " in line)
    assert not Path(FILE.parent / "Dockerfile").exists()
