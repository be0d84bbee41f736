"""Translations made up, and their files, for the tests of what scores and stores them."""

import json
import os
import subprocess
import sys

import numpy as np

from results.scoring.translation import Truth

VOCABULARY = (
    *("Die", "der", "das", "und", "Haus", "Häuser", "größer", "don't", "well-known", "(sic)", "„so“", "«là»", "a/b"),
    *(",", ".", ";", ":", "-", "…", "12.5", "1,000", "3-4", "U.S.", "20%", "$5"),
)
REFERENCES = ("Das ist ein Haus .", "Er geht „nach Hause“.", "", "Die Sonne scheint heute, und es ist warm.")
GOOD = ("Das ist das Haus.", "Er geht nach Hause.", "Nichts", "Die Sonne scheint heute und es ist warm.")
NASTY = {
    # what is in it: (hypothesis, reference)
    "carriage return": ("Das ist\rein kleines Haus", "Das ist ein kleines Haus"),
    "carriage return at the end": ("Das ist ein kleines Haus.\r", "Das ist ein kleines Haus."),
    "line separator": ("Die Sonne\u2028scheint heute warm", "Die Sonne scheint heute warm"),
    "paragraph separator": ("Die Sonne scheint\u2029heute warm", "Die Sonne\u2029scheint heute kalt"),
    "next line": ("Er geht\x85nach Hause und schläft", "Er geht nach Hause und schläft\x85"),
    "vertical tab": ("Er geht\vnach Hause\f und schläft", "Er geht nach Hause und schläft"),
    "file separators": ("Er\x1cgeht\x1dnach\x1eHause", "Er geht nach Hause"),
    "no-break spaces": ("10\u00a0000 Euro sind\u202fviel Geld", "10 000 Euro sind viel Geld"),
    "zero width": ("Haus\u200btür\u2060schloss", "Haustürschloss"),
    "tabs": ("\tzwei\tSysteme sind\tkeine zwei\t", "zwei Systeme sind keine zwei"),
    "empty": ("", "Hier fehlt alles."),
    "empty reference": ("Hier ist zu viel.", ""),
    "both empty": ("", ""),
    "only spaces": ("   ", "Hier fehlt alles."),
    "entities": ("Q&amp;A &quot;fett&quot; &lt;b&gt; &auml; &amp;lt;", 'Q&A "fett" <b> ä &lt;'),
    "skipped": ("<skipped> das <skipped>Haus ist klein", "das Haus ist klein"),
    "quotes": (
        "„Gut“, sagte sie, »ja« \u201aso\u2018 'nun' ``eben''",
        '"Gut", sagte sie, «ja» \u2018so\u2019 "nun" “eben”',
    ),
    "numbers": ("1,000.50 Euro am 3.4.2014, 5-mal 20-30 %.", "1.000,50 Euro am 3. 4. 2014, 5 mal 20\N{EN DASH}30%."),
    "hyphen": ("ein Wort- spiel mit - Strichen -", "ein Wortspiel mit - Strichen -"),
    "other scripts": ("\U0001f600 数の子 e\u0301", "\U0001f600 数の 子 \u00e9"),
    "one long word": ("a" * 5_000, "a" * 4_999),
    "byte order mark within": ("Das \ufeffHaus ist klein", "Das Haus ist klein"),
    "upper case": ("DAS HAUS IST KLEIN", "das Haus ist klein"),
}


def numbered(references):
    """A truth whose sources say nothing of note."""
    ids = tuple(str(number) for number in range(1, len(references) + 1))
    return Truth(ids, tuple(f"source {each}" for each in ids), tuple(references))


def random_pairs(count, seed=0, longest=40):
    """Hypotheses and references: some unrelated, some empty, most with a few words lost, doubled or moved."""
    generator = np.random.default_rng(seed)
    references, hypotheses = [], []
    for _ in range(count):
        said = list(generator.choice(VOCABULARY, size=generator.integers(longest)))
        heard = [word for word in said for _ in range(generator.choice([0, 1, 2], p=[0.1, 0.85, 0.05]))]
        if generator.random() < 0.1:
            heard = list(generator.choice(VOCABULARY, size=generator.integers(longest)))
        if generator.random() < 0.5:
            heard = heard[len(heard) // 2 :] + heard[: len(heard) // 2]
        references.append(" ".join(said))
        hypotheses.append(" ".join(heard))
    return hypotheses, numbered(references)


def command_line(folder, *options):
    """What sacreBLEU itself makes of the stored files: metric -> its JSON; 17 decimals give back every bit."""
    command = [sys.executable, "-m", "sacrebleu", "ref.txt", "-i", "hyp.txt", "-m", "bleu", "chrf", "-w", "17"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SACREBLEU")}
    done = subprocess.run([*command, *options], cwd=folder, env=environment, capture_output=True, check=True)
    return {{"BLEU": "bleu", "chrF2": "chrf"}[each["name"]]: each for each in json.loads(done.stdout)}


def saved(folder, content, name="hyp.txt"):
    """A file of bytes, or of lines."""
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode())
    return file


def sgm(texts):
    """A file of WMT's archive."""
    segments = "".join(f'<seg id="{number}"> {text} </seg>\n' for number, text in enumerate(texts, 1))
    return f'<srcset>\n<doc docid="welt.de/1" genre="news" origlang="de">\n<p>\n{segments}</p>\n</doc>\n</srcset>\n'
