"""Other people's programs, one task a module, that score a folder of predictions.

Each module has `TOOL`, the name of its program's distribution (None for Python's own library), and
`score(folder, root, split)`, which returns metric name -> value. `root` is where the data lie, if they are here, and
`split` the test set: `detection` reads COCO's annotations there, the others find all that they need in the folder. It
raises FileNotFoundError where a file that the program needs, such as references, is not here, and ModuleNotFoundError
where the program is not installed.

`runs` scores no folder: it asks rliable about what several runs measured.
"""
