"""How help looks: commands under the headings of their groups, and arguments by their plain names."""

import re
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

OTHERS = "Commands"
BRACES = re.compile(r"\{(.*)\}")
TYPE = re.compile(r" <[^>]+>$")


class PlainCommand(TyperCommand):
    """An argument is shown as `STUDY` or `[STUDY]`, not as `{STUDY} <text>`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line."""
        return [
            BRACES.sub(r"\1", piece).replace("…]...", "…]").replace("…...", "…") for piece in super().collect_usage_pieces(ctx)
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write what is said of the arguments, then of the options."""
        rows = [(param, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        for title, is_argument in (("Arguments", True), ("Options", False)):
            found = [row for param, row in rows if isinstance(param, TyperArgument) is is_argument and row is not None]
            if found:
                with formatter.section(title):
                    formatter.write_dl([(TYPE.sub("", name) if is_argument else name, words) for name, words in found])


class GroupedCommands(TyperGroup):
    """Its commands under the headings of their groups, aligned over all of them."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups in the order of their first commands."""
        shown = [(name, command) for name, command in self.commands.items() if not command.hidden]
        groups: dict[str, list[tuple[str, Any]]] = {}
        for name, command in shown:
            groups.setdefault(getattr(command, "rich_help_panel", None) or OTHERS, []).append((name, command))
        width = max(len(name) for name, _ in shown)
        for group, commands in groups.items():
            with formatter.section(group):
                limit = formatter.width - width - 6
                formatter.write_dl([(name.ljust(width), command.get_short_help_str(limit)) for name, command in commands])
