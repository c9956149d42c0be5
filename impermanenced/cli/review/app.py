"""The screens of `review`, drawn with textual: a tree with a preview, and the plan before it is applied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Static, Tree
from textual.widgets.tree import TreeNode

from .plan import KEYS, Act, Item, Review, shown

# A text of ours is no markup: a name may have brackets.


class PlanScreen(ModalScreen[bool]):
    """The plan, command by command; it is applied only from here."""

    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "apply"),
        Binding("escape,n,q", "answer(False)", "back"),
    ]
    CSS = "PlanScreen { background: $surface; } #plan { padding: 1 2; }"

    def __init__(self, review: Review) -> None:
        super().__init__()
        self._review = review

    def compose(self) -> ComposeResult:
        lines = [shown(command) for command in self._review.commands()]
        head = "These commands will be run:" if lines else "Nothing was decided."
        with VerticalScroll():
            yield Static(Text("\n".join([head, "", *(f"  {line}" for line in lines)])), id="plan")
        yield Footer()

    def action_answer(self, apply: bool) -> None:
        """Leave the plan, to apply it or to go on."""
        self.dismiss(apply)


class ReviewApp(App[list[list[str]]]):
    """The tree of what would be lost, or was; the result are the commands to run, or None."""

    CSS = """
    #title { height: 1; text-style: bold; }
    Tree { height: 3fr; }
    #below { height: 2fr; border-top: solid $primary; }
    """
    BINDINGS: ClassVar = [
        *(Binding(key, f"decide('{act.value}')", act.value) for key, act in KEYS.items()),
        Binding("u", "decide('')", "undecide"),
        Binding("a", "plan", "plan"),
        Binding("q", "quit", "quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, review: Review) -> None:
        super().__init__()
        self._review = review

    def compose(self) -> ComposeResult:
        yield Static(Text(self._review.title), id="title")
        tree: Tree[Item] = Tree("")
        tree.show_root = False
        yield tree
        with VerticalScroll(id="below"):
            yield Static(id="preview")
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Fill the tree."""
        tree = self.query_one(Tree)
        for item in self._review.items:
            node = tree.root.add(self._line_of(item), item, allow_expand=bool(item.below))
            for below in item.below:
                node.add_leaf(self._line_of(below), below)
        tree.focus()
        if self._review.items:
            tree.move_cursor(tree.root.children[0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Offer only the decisions that make sense here."""
        if action != "decide" or parameters == ("",):
            return True
        return str(parameters[0]) in {act.value for act in self._review.acts()}

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Item]) -> None:
        """Show what the line is about."""
        item = event.node.data
        words = self._review.preview(item) if item is not None else ""
        self.query_one("#preview", Static).update(Text(words))

    def action_decide(self, word: str) -> None:
        """Note a decision on the line under the cursor."""
        tree = self.query_one(Tree)
        node = tree.cursor_node
        if node is None or node.data is None:
            return
        self._review.decide(node.data, Act(word) if word else None)
        for one in self._lines_in(tree):
            if one.data is not None:
                one.set_label(self._line_of(one.data))

    def action_plan(self) -> None:
        """Show the plan."""
        self.push_screen(PlanScreen(self._review), self._answered)

    def _answered(self, apply: bool | None) -> None:
        if apply and self._review.commands():
            self.exit(self._review.commands())

    def _lines_in(self, tree: Tree[Item]) -> Iterator[TreeNode[Item]]:
        for node in tree.root.children:
            yield node
            yield from node.children

    def _line_of(self, item: Item) -> Text:
        decided = self._review.mark_of(item)
        return Text(f"{f'[{decided}]':<10} {item.label}" if decided else f"{'':10} {item.label}")
