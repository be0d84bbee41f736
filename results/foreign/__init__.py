"""Other people's programs, one task a module, that score stored predictions.

Each module has `TOOL`, the name of its program's distribution (None for Python's own library), and
`score(path, root, split)`, which returns metric name -> value. `path` is a file, or a folder that holds one under the
name that our `write` gives it; `root` is where the data lie, if they are here, and `split` the test set: `detection`
reads COCO's annotations there, the others find all that they need beside the file. It raises FileNotFoundError where a
file that the program needs, such as references, is not here, and ModuleNotFoundError where the program is missing.

`runs` scores no predictions: it asks rliable about what several runs measured.
"""
