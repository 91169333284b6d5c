"""Run every benchmark: ``python -m benchmarks`` (some minutes)."""

from benchmarks import importing, pages

if __name__ == "__main__":
    pages.main()
    importing.main()
