"""Writing what is made from rules and metrics: `python -m deploy.prometheus`."""

from deploy.prometheus.files import generated


def main() -> None:
    """Writes each file and names it."""
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
