"""Reading, writing and scoring of predictions: a module a task, found by the `task` that a claim names.

All of them have the same names, which is all that their callers know:

    METRICS                                 metric name -> unit (a metric may be of one part, as `AP/person`)
    SHARED                                  whether all runs are scored on the same examples, or each on its own
    Truth                                   what is known of the test examples, their `ids` among it
    write(folder, predictions, truth)       the predictions in the field's own format -> files written
    files(path)                             the files that predictions at a path (a file or a folder) consist of
    read(path, truth)                       those files checked against the truth -> Predictions (`scored`, `unique`)
    score(predictions, truth)               metric name -> value over the whole test set
    standard_errors(predictions, truth, metrics)    metric name -> standard error over test examples

Some have more, where there is something to say:

    DRAWN_TOGETHER                          examples that the bootstrap takes as one, as an opening's games; else 1
    truth(split, examples)                  -> Truth, of a data set that makes its examples; of others DATA says it
    stored_truth(path)                      the Truth that `write` left beside or in predictions; None without one
    split_of(path, truths)                  which of several test sets, split -> Truth, a file is about
    references(truth, split)                what vouches for a truth that people wrote -> schema.References
    evaluation_seeds(seed, count)           what a run's own episodes begin from, as Predictions' `seeds` say
    fixed_seeds(count)                      what the episodes of every run begin from
    signatures()                            what others need to score in the same way, versions too -> Signature
    protocol(predictions)                   what the predictions themselves say of how they came about -> Signature
    notes(predictions, truth)               what is odd about them, a line each; no score depends on it

The other modules here are what several tasks, or one of them, are made of.
"""
