"""Writing the dashboards: `python -m deploy.grafana`."""

from deploy.grafana.files import generated


def main() -> None:
    """Writes each file and names it."""
    for path, content in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
