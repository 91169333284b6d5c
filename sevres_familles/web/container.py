"""Nodes of the tree: containers that traversal goes through, by names and nothing else (requirements S5)."""

from collections.abc import Iterator
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent


class Node(Persistent):
    """Something with an address: its name, and the node it stands in."""

    __name__: str | None = None
    __parent__: "Node | None" = None


class Part:
    """A node that is stored within the one it stands in, not in a place of its own in the database.

    Setting an attribute marks that node as changed.
    """

    __name__: str | None = None
    __parent__: Node | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if self.__parent__ is not None and not name.startswith("_v_"):
            self.__parent__._p_changed = True


class Container(Node):
    """A node that holds others by name."""

    def __init__(self) -> None:
        self._nodes: OOBTree = OOBTree()

    def __getitem__(self, name: str) -> Any:
        """Find a node.

        :raises KeyError: when there is none, which traversal answers with 404.
        """
        return self._nodes[name]

    def __contains__(self, name: str) -> bool:
        return name in self._nodes

    def __len__(self) -> int:
        """Count the nodes: this walks the tree, so not on a page."""
        return len(self._nodes)

    def __bool__(self) -> bool:
        """Tell that a container is there, empty or not."""
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def values(self) -> Iterator[Any]:
        """Go through the nodes, in the order of their names."""
        return iter(self._nodes.values())

    def add(self, name: str, node: Any) -> Any:
        """Put a node under a name, and give it its place.

        :raises ValueError: when the name is taken, or could not stand in an address.
        """
        if not name or name.startswith(("@@", ".")) or "/" in name:
            raise ValueError(f"not a name for an address: {name!r}")
        if name in self._nodes:
            raise ValueError(f"the name is taken: {name!r}")
        node.__name__, node.__parent__ = name, self
        self._nodes[name] = node
        return node

    def remove(self, name: str) -> None:
        """Take a node out.

        :raises KeyError: when there is none.
        """
        del self._nodes[name]
