"""What trivial systems make of reviews: always the commoner class, and logistic regression on words and pairs of words.

The latter is what networks for sentiment are held against: Wang and Manning, "Baselines and Bigrams" (ACL 2012).
"""

from __future__ import annotations

import numpy as np

from benchmarks.arrays import Floats
from datamodules.baselines.ranked import Prediction, majority_class, ranked
from datamodules.layouts.imdb import CLASSES, open_reviews, plain
from datamodules.layouts.imdb_reviews import Reviews

RAREST = 2  # reviews that a word or a pair must stand in
STRENGTHS = (1.0, 10.0, 100.0)  # scikit-learn's C, the inverse of the penalty; training's folds choose among them
FOLDS = 3
ROUNDS = 1000  # at most


def baselines(root: str, split: str) -> dict[str, list[Prediction]]:
    """Name -> predictions for every review of `split` in its order, fitted on `train`.

    Raises:
        UserError: a split cannot be read.
    """
    train, test = open_reviews(root, "train"), open_reviews(root, split)
    return {
        "majority_class": majority_class(train.labels, len(CLASSES), len(test)),
        "bag_of_words": ranked(_bag_of_words(train, test)),
    }


def _bag_of_words(train: Reviews, test: Reviews) -> Floats:
    """Class probabilities [n, classes]. Nothing is drawn by chance: the folds are blocks of each class in its order."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=RAREST, dtype=np.float32)
    known = words.fit_transform(_plain(train))
    search = GridSearchCV(LogisticRegression(max_iter=ROUNDS), {"C": STRENGTHS}, cv=FOLDS)
    search.fit(known, train.labels)
    found: Floats = search.predict_proba(words.transform(_plain(test))).astype(np.float64)
    return found


def _plain(reviews: Reviews) -> list[str]:
    return [plain(reviews.text(index)) for index in range(len(reviews))]
