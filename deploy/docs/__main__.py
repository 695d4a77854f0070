"""Writing the reference pages: `python -m deploy.docs`."""

from deploy.docs.pages import pages


def main() -> None:
    """Writes each page and names it."""
    for path, content in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
