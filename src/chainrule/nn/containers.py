"""Modules that hold modules: they make a list or a dict of them known, and compute nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chainrule.nn import Module, Parameter


class _Many(Module):
    """What a list of modules and a list of parameters share: entry i is the attribute of that name."""

    def __init__(self, entries: Iterable[Any] = ()):
        self.extend(entries)

    def append(self, entry: Any) -> Any:
        """This list, with one more entry."""
        setattr(self, str(len(self)), entry)
        return self

    def extend(self, entries: Iterable[Any]) -> Any:
        """This list, with more entries."""
        for entry in entries:
            self.append(entry)
        return self

    def _entries(self) -> list[Any]:
        return [value for name, value in vars(self).items() if name.isdigit()]

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries())

    def __getitem__(self, index: Any) -> Any:
        return type(self)(self._entries()[index]) if isinstance(index, slice) else self._entries()[index]

    def __setitem__(self, index: int, entry: Any) -> None:
        setattr(self, str(range(len(self))[index]), entry)


class ModuleList(_Many):
    """List of modules that the module around it knows: their parameters are learned and saved.

    Args:
        entries: the modules.
    """


class ParameterList(_Many):
    """List of parameters that the module around it knows.

    Args:
        entries: the parameters, or Tensors to make parameters of.
    """

    def append(self, entry: Any) -> Any:
        """This list, with one more parameter."""
        return super().append(entry if isinstance(entry, Parameter) else Parameter(entry))


class ModuleDict(Module):
    """Dict of modules that the module around it knows.

    Args:
        modules: the modules by name.
    """

    def __init__(self, modules: Any = ()):
        self.update(modules)

    def update(self, modules: Any) -> None:
        """More modules: a dict, or pairs of name and module."""
        for name, module in dict(modules).items():
            self[name] = module

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in self.named_children()]

    def values(self) -> list[Module]:
        """The modules."""
        return list(self.children())

    def items(self) -> list[tuple[str, Module]]:
        """Names and modules."""
        return list(self.named_children())

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def __setitem__(self, name: str, module: Module) -> None:
        if hasattr(Module, name):
            raise KeyError(f"ModuleDict: {name!r} is a name of every Module; choose another")
        setattr(self, name, module)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()
