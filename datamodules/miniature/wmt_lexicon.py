"""The words of the embedded parallel text: German and English, with what grammar must know of each."""

import re

from datamodules.miniature.wmt_grammar import Noun, Verb, third

# gender, German, plural, English (and its plural, where irregular); "~" marks a weak noun, "+" one that is a she or he
PERSONS = """m Mann Männer man men|f Frau Frauen woman women|n Kind Kinder child children|m Lehrer Lehrer teacher
m~ Student Studenten student|m~ Junge Jungen boy|n+ Mädchen Mädchen girl|m~ Nachbar Nachbarn neighbour
f Ärztin Ärztinnen doctor|m Koch Köche cook|m Leiter Leiter manager|f Schwester Schwestern sister
m Bruder Brüder brother|m~ Kunde Kunden customer|f Mutter Mütter mother|m Vater Väter father"""
CLASSES = {
    "read": """n Buch Bücher book|m Brief Briefe letter|f Zeitung Zeitungen newspaper|m Roman Romane novel
f Nachricht Nachrichten message|n Gedicht Gedichte poem""",
    "eat": """m Apfel Äpfel apple|f Birne Birnen pear|n Gericht Gerichte dish|m Kuchen Kuchen cake|f Suppe Suppen soup
n Ei Eier egg""",
    "thing": """n Auto Autos car|m Wagen Wagen cart|f Uhr Uhren clock|n Fahrrad Fahrräder bicycle
m Koffer Koffer suitcase
f Leiter Leitern ladder|f Jacke Jacken jacket|n Hemd Hemden shirt|m Hut Hüte hat|n Bild Bilder picture""",
    "mend": "n Schloss Schlösser lock|f Birne Birnen bulb|f Maschine Maschinen machine|n Dach Dächer roof",
    "visit": "n Schloss Schlösser castle|n Museum Museen museum|f Stadt Städte city|m Markt Märkte market",
    "door": "f Tür Türen door|n Fenster Fenster window|m Schrank Schränke cupboard|m Kasten Kästen box",
}
PARTS = """Küchen/kitchen|Garten/garden|Schul/school|Büro/office|Hotel/hotel|Keller/cellar|Holz/wooden|Winter/winter"""
HEADS = """m Tisch Tische table|f Tür Türen door|m Stuhl Stühle chair|m Schlüssel Schlüssel key|n Fenster Fenster window
f Lampe Lampen lamp|m Schrank Schränke cupboard"""
ADJECTIVES = """alt/old|neu/new|schön/beautiful|klein/small|groß/big|rot/red|blau/blue|schwer/heavy|billig/cheap
leicht/light
grün/green|schmutzig/dirty"""
TRAITS = "jung/young|freundlich/friendly|müde/tired|krank/ill|glücklich/happy|reich/rich|arm/poor|klug/clever"
PLACES = """in m Garten garden|in n Haus house|in f Schule school|in f Stadt city|in f Bank bank|auf f Bank bench
in n Gericht court|in m Park park|in f Küche kitchen|an m See lake|an f See sea|in n Hotel hotel|auf m Markt market
in n Büro office"""
WORDS = {"in": "in", "auf": "on", "an": "by"}
TIMES = {
    "present": "heute/today|jetzt/now|am Montag/on Monday|jeden Tag/every day|am Abend/in the evening",
    "perfect": "gestern/yesterday|am Sonntag/on Sunday|letzte Woche/last week|vor zwei Tagen/two days ago",
    "future": "morgen/tomorrow|nächste Woche/next week|am Freitag/on Friday|bald/soon",
}
# infinitive (its prefix before "+"), third person, participle, auxiliary, English (its particle after "+"), past
VERBS = {
    "read": """übersetzen übersetzt übersetzt h translate translated|schreiben schreibt geschrieben h write wrote
ab+schreiben schreibt geschrieben h copy copied""",
    "eat": """essen isst gegessen h eat ate|kochen kocht gekocht h cook cooked
bestellen bestellt bestellt h order ordered""",
    "thing": """kaufen kauft gekauft h buy bought|verkaufen verkauft verkauft h sell sold
suchen sucht gesucht h seek sought
finden findet gefunden h find found|weg+werfen wirft geworfen h throw+away threw
mit+bringen bringt gebracht h bring+along brought
brauchen braucht gebraucht h need needed|ab+holen holt geholt h pick+up picked""",
    "mend": "reparieren repariert repariert h repair repaired|aus+tauschen tauscht getauscht h replace replaced",
    "visit": """besuchen besucht besucht h visit visited|kennen kennt gekannt h know knew
verlassen verlässt verlassen h leave left""",
    "door": """auf+machen macht gemacht h open opened|zu+machen macht gemacht h close closed
öffnen öffnet geöffnet h unlock unlocked""",
    "person": """sehen sieht gesehen h see saw|an+rufen ruft gerufen h call called|kennen kennt gekannt h know knew
ein+laden lädt geladen h invite invited|treffen trifft getroffen h meet met|an+sehen sieht gesehen h look+at looked""",
    "dative": """helfen hilft geholfen h help helped|danken dankt gedankt h thank thanked
folgen folgt gefolgt s follow followed
zu+hören hört gehört h listen+to listened""",
    "give": "geben gibt gegeben h give gave|zeigen zeigt gezeigt h show showed|schicken schickt geschickt h send sent",
    "stay": """arbeiten arbeitet gearbeitet h work worked|schlafen schläft geschlafen h sleep slept
sitzen sitzt gesessen h sit sat|wohnen wohnt gewohnt h live lived|ein+schlafen schläft geschlafen s fall+asleep fell""",
    "move": "gehen geht gegangen s go went|laufen läuft gelaufen s run ran",
    "turned": "gefallen gefällt gefallen h like liked|fehlen fehlt gefehlt h miss missed",
    "know": "wissen weiß gewusst h know knew|glauben glaubt geglaubt h believe believed|sagen sagt gesagt h say said",
}  # fmt: skip
WHY = "weil/because|obwohl/although|wenn/if|bevor/before"


def _pairs(text: str) -> list[tuple[str, str]]:
    """German and English, a slash between them."""
    pairs = (line.split("/") for line in re.split(r"[|\n]", text))
    return [(german, english) for german, english in pairs]


def _noun(line: str) -> Noun:
    mark, german, plural, english, *rest = line.split()
    being = line in re.split(r"[|\n]", PERSONS)
    pronoun = {"m": "he", "f": "she", "n": "she" if "+" in mark else "it"}[mark[0]] if being else "it"
    return Noun(mark[0], german, plural, english, rest[0] if rest else third(english), "~" in mark, pronoun)


def _nouns(text: str) -> list[Noun]:
    return [_noun(line) for line in re.split(r"[|\n]", text)]


def _verb(line: str) -> Verb:
    infinitive, third_person, participle, auxiliary, english, past = line.split()
    prefix, _, stem = infinitive.rpartition("+")
    base, _, particle = english.partition("+")
    return Verb(stem, third_person, participle, auxiliary, base, past, prefix, particle)


BEINGS, THINGS, COMPOUND_HEADS = _nouns(PERSONS), {name: _nouns(text) for name, text in CLASSES.items()}, _nouns(HEADS)
KNOWN_VERBS = {name: [_verb(line) for line in re.split(r"[|\n]", text)] for name, text in VERBS.items()}
LOOKS, CHARACTERS, MODIFIERS, REASONS = (_pairs(text) for text in (ADJECTIVES, TRAITS, PARTS, WHY))
MOMENTS = {name: _pairs(text) for name, text in TIMES.items()}
