"""Print the table of families: `python -m automodel.families`."""

from automodel.families import all_families


def main() -> None:
    """Print each family with its tasks and whether its libraries are installed."""
    row = "{:<24} {:<56} {}"
    print(row.format("family", "tasks", "installed"))
    for family in all_families().values():
        missing = family.missing_libraries()
        installed = f"no: pip install {' '.join(missing)}" if missing else "yes"
        print(row.format(family.name, ", ".join(family.tasks), installed))


if __name__ == "__main__":
    main()
