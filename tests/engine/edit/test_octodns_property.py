"""Random octoDNS files, random changes: the zone says what it should, and lines of other names stay as they were."""

from __future__ import annotations

import difflib

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from deliverkit.engine.edit.octodnswords import natural
from deliverkit.world.values import presentation
from tests.engine.edit.bringing import bring
from tests.engine.edit.yamltext import Plain, yaml_text
from tests.world.sources.written import ORIGIN, read_text, told

SETTINGS = settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
values = st.one_of(
    st.tuples(st.just("A"), st.integers(1, 250).map(lambda n: f"192.0.2.{n}")),
    st.tuples(st.just("MX"), st.integers(0, 99).map(lambda n: (n, f"mx{n}.example.net"))),
    st.tuples(
        st.just("TXT"), st.text("abc =;:~-'#", min_size=1, max_size=300).map(lambda text: (text.strip() or "x",))
    ),
)
names = st.sampled_from(["", "www", "_dmarc", "s1._domainkey", "a.b", "*", "ftp10", "ftp9", "123", "no"])


def plain(name: str, type_: str, value: object) -> Plain:
    """A record as files are written of it."""
    if type_ == "TXT":
        octets = value[0].encode()  # type: ignore[index]
        return name, type_, 3600, tuple(octets[at : at + 255] for at in range(0, len(octets), 255))
    return name, type_, 3600, value


records = st.builds(lambda name, value: plain(name, *value), names, values)


def as_fix(record: Plain) -> tuple[str, str, str]:
    """A record as a fix names it."""
    name, type_, _, value = record
    text = b"".join(value).decode() if type_ == "TXT" else presentation(type_, value)
    return f"{name}.{ORIGIN}" if name else ORIGIN, type_, text


@SETTINGS
@given(
    st.lists(records, min_size=1, max_size=8, unique_by=repr), st.lists(records, max_size=3, unique_by=repr), st.data()
)
def test_nothing_else_changes(
    tmp_path_factory: object, have: list[Plain], new: list[Plain], data: st.DataObject
) -> None:
    """What is read is what should be there; order, comments and other names stay."""
    gone = data.draw(st.lists(st.sampled_from(have), max_size=3, unique_by=repr))
    new = [one for one in new if repr(one) not in {repr(other) for other in have}]
    assume((gone or new) and (len(gone) < len(have) or new))
    comments, single, deep = data.draw(st.tuples(st.booleans(), st.booleans(), st.sampled_from([0, 2])))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = yaml_text(have, comments=comments, single=single, deep=deep).replace("\n", end)
    if data.draw(st.booleans()):
        text = text.removesuffix(end)
    name = f"{ORIGIN}.yaml"
    made = bring({name: text.encode()}, map(as_fix, gone), map(as_fix, new))[name].decode()

    folder = tmp_path_factory.mktemp("zone")  # type: ignore[attr-defined]
    wanted = [one for one in have if one not in gone] + new
    keys = list(dict.fromkeys(one[0] for one in wanted))
    assert {*map(repr, told(read_text(folder, name, made)[0]))} == {
        *map(repr, told(read_text(folder, name, yaml_text(wanted))[0]))
    }
    written = [row for row in made.split("\n") if row[:1] not in (" ", "#", "-", "", "\r")]
    assert len(written) == len(keys) == len({*written})
    order = [key.strip("\r:").strip("'\"") for key in written]
    assert order == sorted(order, key=natural)
    changed = {one[0] for one in (*gone, *new)}
    _others_stay(text, made, changed)
    assert end == "\n" or "\n" not in made.replace("\r\n", "")


def _others_stay(text: str, made: str, changed: set[str]) -> None:
    """Lines that differ stand below a name that changes."""
    below: str | None = None
    for row in difflib.ndiff(text.replace("\r", "").split("\n"), made.replace("\r", "").split("\n")):
        line = row[2:]
        if row[0] in " -" and line and line[0] not in " #-?\r":
            below = line.strip("\r:").strip("'\"")
        if row.startswith("- ") and line.strip():
            assert below in changed or line.startswith("#"), row
