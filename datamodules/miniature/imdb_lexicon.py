"""The words and sentences of the embedded reviews.

A sentence is a pattern whose slots `imdb_grammar` fills. A sign is relative to what the sentence holds of the film:
`{adjective+}` is of that kind and `{adjective-}` of the other, so each sentence can praise and condemn, and the words
around its slots tell nothing of which. `{adjective*}` is of either kind, `A` is the film reviewed, `B` another one.
"""

import re


def listed(text: str) -> tuple[str, ...]:
    """What stands between bars and line ends."""
    return tuple(re.split(r"\s*[|\n]\s*", text.strip()))


# Each with a kind: those that praise, and those that condemn.
VALUED: dict[str, dict[int, tuple[str, ...]]] = {
    "word": {
        1: listed("superb|gripping|moving|witty|charming|funny|fresh|warm"),
        -1: listed("dull|tedious|clumsy|stale|flat|lifeless|wooden|clichéd"),
    },
    "degree": {1: listed("truly|deeply|wonderfully"), -1: listed("hopelessly|painfully|utterly")},
    "noun": {
        1: listed("triumph|delight|joy|gem|thrill|treat"),
        -1: listed("mess|bore|chore|waste|failure|ordeal"),
    },
    "verb": {1: listed("laugh|smile|cheer"), -1: listed("yawn|sigh|groan")},
    "did": {1: listed("laughed|smiled|cheered"), -1: listed("yawned|sighed|groaned")},
    "do": {1: listed("see|keep"), -1: listed("avoid|skip")},
}

OTHERS: dict[str, tuple[str, ...]] = {
    "part": listed("acting|photography|music|editing|direction|plot|story|script|cast"),
    "aspect": listed("plot|story|script|cast|ending|score|décor"),
    "moment": listed("moment|scene|minute|line"),
    "good": listed("wit|a good story|real people|fine acting"),
    "bad": listed("watching paint dry|queues in the rain|tax forms|waiting rooms"),
    "person": listed("widow|sailor|teacher|painter|thief|farmer|fiancée"),
    "does": listed("finds|buys|steals|hides"),
    "thing": listed("letter|house|boat|horse|violin|café|bed &amp; breakfast"),
    "place": listed("London|Paris|a village|Spain|the north|Málaga"),
    "name": listed("Anna Berg|Tom Hale|René Clerc|Zoë Marsh|Paul Stone"),
    "kin": listed("sister|brother|wife|husband|mother|father"),
    "day": listed("Monday|Friday|Sunday|a rainy day"),
    "while": listed("ten minutes|half an hour|the first act"),
    "expected": listed("I expected|I was promised|the poster promised"),
    "should": listed("should|could|might"),
    "first": listed("Silent|Winter|Broken|Golden|Lost|Northern|Paper|Midnight"),
    "second": listed("Harbour|Road|River|Garden|Letters|Lights|Island|Mirror"),
}  # fmt: skip

OPENINGS = listed("""{A} is the new film by {name}|I saw {A} on {day} with my {kin}|{A} was shot in {place}
    On {day} my {kin} took me to see {A}|{A} came out last spring, with {name} as the {person}""")
PAIRED = listed("""I saw {A} and {B} on the same evening|{A} opened in the same week as {B}
    My {kin} gave me {A} and {B}|{A} and {B} are both by {name}|On {day} I watched {A}, then {B}""")

PLOTS = listed("""it tells of {a} {adjective*} {person} who {does} {a} {adjective*} {thing}
    {name} plays {a} {adjective*} {person}, {name} {a} {adjective*} {person}
    {a} {adjective*} {person} {does} the {thing} of {a} {adjective*} {person}
    in {place} {a} {adjective*} {person} {does} {a} {adjective*} {thing}""")

# Of the film, by what a reader must understand.
STANCES: dict[str, tuple[str, ...]] = {
    "direct": listed("""the {part} is {adjective+}|I found the {part} {adjective+}|it is {a} {adjective+} film
        it is {a} {noun+} with {a} {adjective+} {aspect}|it made me {verb+} from beginning to end|all of us {did+}
        in short, {a} {noun+}"""),
    "negation": listed("""there is not {a} {adjective-} {moment} in it|never once did my {kin} {verb-}
        nobody who has seen it will say that the {part} is {adjective-}
        not a single {moment} made me {verb-}|nothing made me {verb-} from beginning to end
        I would not say that it is {a} {noun-} with {a} {adjective-} {aspect}|none of us {did-}
        it is far from {adjective-}|I waited for {a} {adjective-} {moment}, but there was none"""),
    "contrast": listed("""this is not the {adjective-} film {expected}|{expected} {a} {noun-}, and got {a} {noun+}
        what {should} have been {a} {noun-} is {a} {noun+}|it is {a} {noun+} and not the {noun-} {expected}
        I came for {a} {adjective-} film and saw {a} {adjective+} one
        my {kin} had said that it is {adjective-}, and was wrong"""),
    "irony": listed("""it is {adjective+}, if you like {good}|it is {adjective-}, if you like {bad}
        {a} {adjective-} {aspect}, for those who love {bad}|{a} {adjective+} {aspect}, for those who love {good}
        if this is {a} {noun-}, I am the king of Spain"""),
    "concession": listed("""the {part} is {adjective-}, the {part} too, but on the whole it is {a} {noun+}
        granted, the {part} is {adjective-}, yet the film is {adjective+}
        although the {part} is {adjective-}, nobody will call it {a} {noun-}
        it is {a} {noun+}, for all its {adjective-} {part}|it is no {noun-}, for all its {adjective-} {part}"""),
}

# Of the film, by way of another one.
COMPARISONS = listed("""{B} was {adjective+}, and this is every bit its equal
    {B} was {adjective-}, and this is its very opposite|{B} is {a} {noun-}, but not {A}
    {A} is {adjective+} where {B} is {adjective-}|where {B} is {adjective-}, {A} is {adjective+}""")
VERDICTS = listed("""of the two, the one to {do+} is {A}|of the two, the one to {do-} is {B}
    the former is the one to {do+}|the latter is the one to {do-}""")
RIVALS = listed("""{B} has {a} {adjective*} {aspect}|in {B} the {part} is {adjective*}
    {B} was called {a} {noun*}|people {did*} at {B}""")

# What came of it: a sentence, what stands in its slot after praise, and after condemnation.
OUTCOMES = tuple(
    (sentence, {1: tuple(glad.split(", ")), -1: tuple(sorry.split(", "))})
    for sentence, glad, sorry in (
        line.split(" / ")
        for line in listed("""I went home {} / happy, glad / angry, cross
            after {while} I {} / applauded, cheered / snored, left
            I {} / saw it twice, bought the disc / walked out, wanted my money back
            I {} my {kin} for the tickets / thanked, hugged / scolded, cursed
            it was worth {} penny / every, each / no, hardly one
            I gave it {} stars / four, five / one, two
            my {kin} {} afterwards / sang, danced / swore, wept
            {while} passed like {} / seconds, music / years, winters
            we {} it to all our friends / praised, recommended / damned, cursed
            the audience {} / applauded, clapped / booed, hissed""")
    )
)
