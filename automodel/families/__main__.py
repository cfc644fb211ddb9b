"""Print the table of families: `python -m automodel.families`."""

from automodel.families import all_families


def main() -> None:
    """Print name, tasks, whether it is installed, and the extra that installs it."""
    row = "{:<24} {:<56} {:<10} {}"
    print(row.format("family", "tasks", "installed", "extra"))
    for family in all_families().values():
        installed = "no" if family.missing_libraries() else "yes"
        print(row.format(family.name, ", ".join(family.tasks), installed, family.extra))


if __name__ == "__main__":
    main()
