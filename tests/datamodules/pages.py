"""Pages as a browser sees them."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """What a browser makes of a page: its text, where elements open, their attributes, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []
        self.feed(text)
        self.text = " ".join(self.text.split())

    @property
    def addresses(self):
        return [value for name, value in self.attributes if name in {"src", "href"}]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data
