#!/usr/bin/env python3
"""A preprocessor of mdbook, for what lies outside docs/.

A link out of docs/ works where the repository is read, and would be broken on the site. Here it becomes the
file's path, or a link to the repository where `output.html.git-repository-url` names one. Pages
beside what they describe (`pages` in book.toml) are appended to the page that leads to them.
"""
import json
import os
import re
import sys

if sys.argv[1:2] == ["supports"]:
    sys.exit()

context, book = json.load(sys.stdin)
config = context["config"]
repository = config.get("output", {}).get("html", {}).get("git-repository-url", "").rstrip("/")
appended = config["preprocessor"]["outside"]["pages"]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def linked(text, home, page):
    """The text of a file in `home`, as part of `page`; both are paths from docs/."""

    def link(match):
        image, words, target = match.groups()
        path, _, anchor = target.partition("#")
        if ":" in path or not path:
            return match[0]
        path = os.path.normpath(os.path.join("docs", home, path))
        if path.startswith("docs/"):
            path = os.path.relpath(path, os.path.join("docs", os.path.dirname(page)))
            # As mdbook names these pages.
            path = re.sub(r"(^|/)README\.md$", r"\1index.md", path)
            return f"{image}[{words}]({path}{'#' + anchor if anchor else ''})"
        if os.path.join("..", path) in appended.get(page, []):
            return f"{words} (below)"
        if repository:
            return f"[{words}]({repository}/blob/main/{path})"
        plain = words.strip("`")
        return f"`{path}`" if path.endswith(plain) else f"{words} (`{path}`)"

    fenced = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in fenced)


def visit(items):
    for chapter in (item["Chapter"] for item in items if isinstance(item, dict) and "Chapter" in item):
        page = chapter["source_path"] or chapter["path"]
        if page:
            chapter["content"] = linked(chapter["content"], os.path.dirname(page), page)
            for more in appended.get(page, []):
                text = open(os.path.join(context["root"], more), encoding="utf-8").read()
                text = re.sub(r"^#", "##", text, flags=re.M)
                chapter["content"] += "\n\n" + linked(text, os.path.dirname(more), page)
        visit(chapter["sub_items"])


visit(book.get("items") or book["sections"])
json.dump(book, sys.stdout)
