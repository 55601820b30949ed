"""The side of pyspf in bench_spf: run by a Python that has it, asked by lines on standard input.

``spf_pyspf.py WORLD.json``; the line ``results`` is answered with a word a tuple, ``run N`` with the CPU seconds of N
passes over all tuples. Its DNS function is replaced by a look into the world's records.
"""

import json
import sys
import time
from pathlib import Path

import spf


def main() -> None:
    """Answer until standard input ends."""
    world = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    answers = {}
    for name, types in world["records"].items():
        for type_, values in types.items():
            if type_ == "TXT":
                values = [(value.encode(),) for value in values]
            elif type_ == "MX":
                values = [tuple(value) for value in values]
            answers[name, type_] = [((name, type_), value) for value in values]

    def lookup(name, qtype, tcpfallback=True, timeout=30):  # type: ignore[no-untyped-def]
        found = answers.get((name, qtype))
        if found is None and "._list." in name:  # the wildcards of the world
            star = answers.get(("*._list." + name.partition("._list.")[2], qtype), [])
            found = [((name, qtype), value) for _, value in star]
        return found or []

    spf.DNSLookup = lookup
    for line in sys.stdin:
        verb, _, count = line.strip().partition(" ")
        if verb == "results":
            print(" ".join(spf.check2(i, s, h)[0] for i, s, h in world["tuples"]), flush=True)
            continue
        began = time.process_time()
        for _ in range(int(count)):
            for i, s, h in world["tuples"]:
                spf.check2(i, s, h)
        print(time.process_time() - began, flush=True)


main()
