"""Writes examples into files of their own: tools/examples.py OUT FILE...

Of a Markdown file: every fenced block. The second word after the fence says what it is: `verify` is
run, `merchant` and `event` are held against their schemas. Of a JSON Lines file: every line.
"""

import pathlib
import re
import sys

ENDINGS = {"python": "python", "js": "mjs", "toml": "toml", "json": "json", "sh": "sh"}
FENCE = re.compile(r"^```(\w+) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        for number, line in enumerate(text.splitlines(), 1):
            yield number, "json", path.stem.removesuffix("s"), line
        return
    for block in FENCE.finditer(text):
        language, kind, body = block.groups()
        yield text.count("\n", 0, block.start()) + 1, language, kind, body


def main(out, *files):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for path in map(pathlib.Path, files):
        for line, language, kind, body in examples(path):
            if language in ENDINGS:
                parts = [f"{path.stem}-line-{line:04}", kind, ENDINGS[language]]
                (out / ".".join(filter(None, parts))).write_text(body, encoding="utf-8")


main(*sys.argv[1:])
