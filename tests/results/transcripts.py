"""What was said, as a truth, for the tests of what is scored against it."""

from results.scoring.speech import Truth

REFERENCES = {
    "61-70968-0000": "HE BEGAN A CONFUSED COMPLAINT",
    "61-70968-0001": "'TIS THE FITZOOTH'S TENT",
    "672-122797-0000": "OUT IN THE WOODS",
    "672-122797-0001": "GO",
}


def numbered(transcripts):
    """A truth of nothing but transcripts."""
    return Truth(tuple(f"1-1-{index:04d}" for index in range(len(transcripts))), tuple(transcripts))
