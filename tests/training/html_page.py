"""Takes a report's HTML apart."""

from html.parser import HTMLParser

VOID_ELEMENTS = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and fails on elements that are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
