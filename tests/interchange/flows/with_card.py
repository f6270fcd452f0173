"""A step with two cards."""

from metaflow import FlowSpec, card, current, step


class CardFlow(FlowSpec):
    @card(type="blank", id="named")
    @card
    @step
    def start(self):
        from metaflow.cards import Markdown

        current.card["named"].append(Markdown("# Heading of mine"))
        self.x = 1
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CardFlow()
