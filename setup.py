"""The distribution.  Everything that is not code of the setup itself stands in pyproject.toml's tool sections."""

from pathlib import Path

from setuptools import find_packages, setup

RUN = [
    "argon2-cffi",
    "BTrees",
    "Chameleon",
    "colander",
    "deform",
    "eopayment",
    "nh3",
    "persistent",
    "psycopg2-binary",
    "pyramid",
    "pyramid_chameleon",
    "pyramid_mailer",
    "pyramid_retry",
    "pyramid_tm",
    "pyramid_zodbconn",
    "RelStorage",
    "requests",
    "setuptools >= 77, < 81",
    "tinycss2",
    "tqdm",
    "transaction",
    "typst",
    "waitress",
    "ZODB",
    "zodburi",
    "zxcvbn",
    "zxing-cpp",
]
DEMO = ["aiosmtpd", "Faker", "honcho"]
TEST = [
    "axe-playwright-python",
    "coverage",
    "hypothesis",
    "import-linter",
    "mypy",
    "pikepdf",
    "playwright",
    "pypdf",
    "pytest",
    "pytest-cov",
    "ruff",
    "types-requests",
    "types-setuptools",
    "types-tqdm",
    "WebTest",
]

setup(
    name="sevres_familles",
    version="0.1.0",
    description="Espace familles: a municipal portal where families see and pay their invoices",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="AGPL-3.0-or-later",
    python_requires=">= 3.11",
    packages=find_packages(include=["sevres_familles", "sevres_familles.*"]),
    include_package_data=True,
    install_requires=RUN,
    extras_require={"demo": DEMO, "test": DEMO + TEST},
    entry_points={
        "paste.app_factory": ["main = sevres_familles:main"],
        "paste.server_runner": ["server = sevres_familles.web.server:serve"],
        "zodburi.resolvers": [
            "embedded = sevres_familles.web.storage:resolve_embedded",
            "postgresql = sevres_familles.web.storage:resolve_postgresql",
        ],
        "console_scripts": [
            "sevres-init = sevres_familles.web.scripts:init",
            "sevres-import = sevres_familles.regies.exchange.command:main",
            "sevres-demo = sevres_familles.demo.command:main",
            "sevres-password = sevres_familles.identity.scripts:issue_password",
            "sevres-ask = sevres_familles.payments.scripts:ask",
            "sevres-purge = sevres_familles.payments.scripts:purge_portal",
            "sevres-verify = sevres_familles.payments.scripts:verify",
            "sevres-theme = sevres_familles.web.scripts:theme",
            "sevres-mail = sevres_familles.notifications.scripts:deliver",
            "sevres-bank = sevres_familles.sandbox.bank.command:main",
            "sevres-mailbox = sevres_familles.sandbox.mailbox.command:main",
        ],
    },
)
