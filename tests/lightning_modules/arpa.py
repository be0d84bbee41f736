"""Small language models as KenLM reads them."""


def arpa(path, words):
    """A bigram model that allows some words only."""
    rows = [
        "\\data\\",
        f"ngram 1={len(words) + 3}",
        "ngram 2=1",
        "",
        "\\1-grams:",
        "-2\t<UNK>",
        "-99\t<s>\t0",
        "-1\t</s>",
    ]
    rows += [f"-1.5\t{word}\t0" for word in words]
    path.write_text("\n".join([*rows, "", "\\2-grams:", f"-0.5\t<s> {words[0]}", "", "\\end\\", ""]))
    return path
