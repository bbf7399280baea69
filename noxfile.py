"""The project's tasks: ``nox --list`` names them, ``nox -s NAME -- ARGUMENTS`` runs one.

No package is named here: packages are found by their ``packages/*/pyproject.toml`` and ordered by what they depend on.
Tools come from the dependency groups of the ``pyproject.toml`` files, every version from ``constraints.txt``.
"""

from __future__ import annotations

import functools
import graphlib
import itertools
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nox
from packaging.requirements import Requirement

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
CONSTRAINTS = ROOT / "constraints.txt"
# A test that hangs fails on its own, before CI's limit ends everything.
IN_PARALLEL = ("--numprocesses=auto", "--maxprocesses=4", "--timeout=900")
# Each of the processes would otherwise start as many threads as there are cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_venv = (
    "yes"  # torch alone takes half a minute to install; `nox -R` is faster still, `nox -r no` starts anew
)
nox.options.sessions = ["lint", "types", "tests"]


@dataclass(frozen=True)
class Package:
    """One package of the house.

    Attributes:
        name: its folder, which is also the parameter of its sessions.
        dist: its name on the index.
        imports: its import name.
        requirements: what it declares to need.
        optional: what its extras declare to need, by extra.
        test: what its own tests need beside it.
    """

    name: str
    dist: str
    imports: str
    requirements: tuple[Requirement, ...]
    optional: Mapping[str, tuple[Requirement, ...]]
    test: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the package lies."""
        return ROOT / "packages" / self.name

    @property
    def wheel(self) -> str:
        """The one wheel that the build session has left in ``dist``."""
        (path,) = DIST.glob(f"{self.dist.replace('-', '_')}-*.whl")
        return str(path)


@functools.cache
def packages() -> dict[str, Package]:
    """All packages by folder name, each after those that it depends on."""
    found: dict[str, Package] = {}
    for path in sorted(ROOT.glob("packages/*/pyproject.toml")):
        config = nox.project.load_toml(path)
        project = config["project"]
        (source,) = (entry.name for entry in (path.parent / "src").iterdir() if (entry / "py.typed").exists())
        found[project["name"]] = Package(
            name=path.parent.name,
            dist=project["name"],
            imports=source,
            requirements=parse(project.get("dependencies", ())),
            optional={extra: parse(lines) for extra, lines in project.get("optional-dependencies", {}).items()},
            test=nox.project.dependency_groups(config, "test"),
        )
    graph = {dist: {need.name for need in package.requirements} & set(found) for dist, package in found.items()}
    return {found[dist].name: found[dist] for dist in graphlib.TopologicalSorter(graph).static_order()}


def parse(lines: Iterable[str]) -> tuple[Requirement, ...]:
    """Requirements from their texts."""
    return tuple(Requirement(line) for line in lines)


def closure(package: Package) -> list[Package]:
    """The package and all packages of the house below it, lowest first."""
    wanted = {package.dist}
    for candidate in reversed(packages().values()):
        if candidate.dist in wanted:
            wanted |= {need.name for need in candidate.requirements}
    return [candidate for candidate in packages().values() if candidate.dist in wanted]


def group(name: str) -> tuple[str, ...]:
    """A dependency group of the project's own ``pyproject.toml``."""
    return nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), name)


def install(session: nox.Session, *requirements: str) -> None:
    """Install with the pinned versions."""
    if requirements:
        session.install("--quiet", "--constraint", str(CONSTRAINTS), *requirements)


def install_house(session: nox.Session, *requirements: str) -> None:
    """Install all packages as editable, with all extras, and the given requirements, in one resolution."""
    install(session, *group("build-backend"))
    arguments: list[str] = []
    for package in packages().values():
        extras = f"[{','.join(package.optional)}]" if package.optional else ""
        arguments += ["--editable", f"{package.folder}{extras}"]
    # The build backend is in the environment already: isolated builds would fetch it once for each package.
    session.install("--quiet", "--constraint", str(CONSTRAINTS), "--no-build-isolation", *arguments, *requirements)


def install_wheels(session: nox.Session, package: Package, *requirements: str, constraints: Path = CONSTRAINTS) -> None:
    """Install a package and those below it from the wheels of this run, and the given requirements."""
    wheels = [below.wheel for below in closure(package)]
    session.install("--quiet", "--constraint", str(constraints), *requirements, *wheels)
    # A wheel built from uncommitted changes has the version of the one before, which pip would keep.
    session.install("--quiet", "--no-deps", "--force-reinstall", *wheels)


PackageSession = Callable[[nox.Session, Package], None]


def each_package(name: str, requires: Sequence[str] = ()) -> Callable[[PackageSession], PackageSession]:
    """Register a session ``name(package)`` for each package, so that ``name`` alone stays free for one of its own."""

    def register(body: PackageSession) -> PackageSession:
        for package in packages().values():

            def session(session: nox.Session, package: Package = package) -> None:
                body(session, package)

            session.__doc__ = body.__doc__
            nox.session(name=f"{name}({package.name})", requires=requires, default=False)(session)
        return body

    return register


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format, and the direction of imports between packages."""
    install(session, *group("lint"))
    session.run("ruff", "check", *(session.posargs or ["."]))
    session.run("ruff", "format", "--check", *(session.posargs or ["."]))
    session.run("python", "tools/layers.py")


@nox.session
def types(session: nox.Session) -> None:
    """Static types: the packages, strictly, and the public types as users see them."""
    install_house(session, *group("types"))
    sources = [str(package.folder.relative_to(ROOT) / "src") for package in packages().values()]
    session.run("mypy", *sources, "noxfile.py", "tools", "examples", "tests/typing")


@nox.session
def tests(session: nox.Session) -> None:
    """Everything: the tests of all packages and those that need several."""
    install_house(session, *test_requirements(), *group("test"))
    session.run("pytest", *(session.posargs or [*IN_PARALLEL, "tests", "packages"]), env=ONE_THREAD)


@each_package("tests", requires=["build"])
def package_tests(session: nox.Session, package: Package) -> None:
    """One package's tests, against its wheel, with only what it declares to need."""
    install_wheels(session, package, *package.test)
    session.run("pytest", *(session.posargs or [str(package.folder / "tests")]))


@each_package("floors", requires=["build"])
def floors(session: nox.Session, package: Package) -> None:
    """One package's tests with the lowest versions that the packages below it declare."""
    lowest = Path(session.create_tmp()) / "floors.txt"
    lowest.write_text("".join(f"{line}\n" for line in lowest_versions(closure(package))), encoding="utf-8")
    # What only the tests need is free to take a version that goes with the floors.
    install_wheels(session, package, *package.test, constraints=lowest)
    session.run("pytest", *(session.posargs or [str(package.folder / "tests")]))


@each_package("imports", requires=["build"])
def package_imports(session: nox.Session, package: Package) -> None:
    """Import every public module of one package's wheel, with nothing else installed."""
    install_wheels(session, package)
    with session.chdir(session.create_tmp()):
        session.run("python", "-I", str(ROOT / "tools" / "import_all.py"), package.imports)


@nox.session(default=False, venv_backend="none", requires=[f"imports({name})" for name in packages()])
def imports(session: nox.Session) -> None:
    """All `imports(package)` sessions."""


@nox.session(default=False)
def demo(session: nox.Session) -> None:
    """Export AlexNet, check it, and run it at two batch sizes."""
    install_house(session)
    session.run("python", "examples/demo.py", *session.posargs)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """The property tests with ten times the examples of every day, from another seed each time."""
    install_house(session, *test_requirements(), *group("test"))
    options = ["--hypothesis-profile=nightly", "--hypothesis-show-statistics", "-m", "hypothesis", *IN_PARALLEL]
    # Thousands of examples take longer than any one test may otherwise.
    session.run("pytest", *options, "--timeout=14400", *session.posargs, "tests", "packages", env=ONE_THREAD)


@nox.session(default=False)
def models(session: nox.Session) -> None:
    """Real models at many opsets, those of transformers included."""
    install_house(session, *test_requirements(), *group("test"), *group("models"))
    session.run("pytest", *(session.posargs or [*IN_PARALLEL, "tests/models"]), env=ONE_THREAD)


@nox.session(default=False)
def opinfo(session: nox.Session) -> None:
    """Operator coverage, measured with torch's own operator database."""
    install_house(session, *group("opinfo"))
    session.run("python", "tests/opinfo/run.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Export time and peak memory, against the floor and against torch.onnx.export."""
    install_house(session, *group("bench"))
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors; the pages are in ``docs/_build/html``."""
    install_house(session, *group("docs"))
    target = session.posargs or ["docs", "docs/_build/html"]
    session.run("sphinx-build", "--fail-on-warning", "--keep-going", "--fresh-env", "--builder=dirhtml", *target)


@nox.session(default=False)
def build(session: nox.Session) -> None:
    """Build each package's source archive and, from that, its wheel, into ``dist``."""
    install(session, *group("build-backend"), *group("build"))
    shutil.rmtree(DIST, ignore_errors=True)
    for package in packages().values():
        session.run("python", "-m", "build", "--no-isolation", f"--outdir={DIST}", str(package.folder), silent=True)
    session.run("twine", "check", "--strict", *(str(path) for path in sorted(DIST.iterdir())), silent=True)


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Release one package: ``nox -s release -- PACKAGE`` shows what would happen, ``--write`` does it."""
    install(session, *group("release"))
    session.run("python", "tools/release.py", *session.posargs)


def test_requirements() -> list[str]:
    """What the tests of all packages need, each requirement once."""
    return sorted({need for package in packages().values() for need in package.test})


def lowest_versions(below: Iterable[Package]) -> list[str]:
    """Pins of every lower bound, also of extras, that the packages declare on others than themselves."""
    own = {package.dist for package in packages().values()}
    return sorted(
        {
            f"{need.name}=={bound.version}"
            for package in below
            for need in itertools.chain(package.requirements, *package.optional.values())
            for bound in need.specifier
            if bound.operator == ">=" and need.name not in own
        }
    )
