"""Run every benchmark: ``python -m benchmarks`` (some minutes)."""

from benchmarks import importing, pages, printing

if __name__ == "__main__":
    pages.main()
    importing.main()
    printing.main()
