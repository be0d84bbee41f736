"""Other people's programs, one task a module, that score a folder of predictions with nothing else at hand.

Each module has `TOOL`, the name of its program's distribution (None for Python's own library), and `score(folder)`,
which returns metric name -> value. It raises FileNotFoundError where the folder lacks what the program needs, such as
references, and ModuleNotFoundError where the program is not installed. `detection` has none: COCO's annotations are no
part of predictions.
"""
