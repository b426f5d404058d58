"""What a power failure can leave on a disk: a model of file systems at their worst, and its states.

Until it is synced, a file is independent of all other files, and in itself

- every 512-byte sector (or every 4096-byte page) holds what it held at the last sync or at any moment since;
  in one state one sector may be torn, too: new up to a byte, old behind it
- the length is any it has had since, whatever the sectors hold: a file may have grown and be zeros there

The names of a folder are those of its last sync, and of what was done since

- journalled: a beginning, in order; folders are independent of each other (they may be on two disks)
- strict: any part, as long as nothing is done without what it builds on (a rename without the creation)

A renamed file never has both names or neither. Where there are too many states for exhausting them, the
corners are taken (all, none, one alone, all but one, the newer half, only the length, only the data) and then
random ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Final, NamedTuple

from zoolet.storage.tests.crash_recorder import Call, Image

SECTOR: Final = 512
PAGE_SECTORS: Final = 8
_DIRECTORY: Final = -1
_EXHAUST_FILE_MAX: Final = 64


class NameChange(NamedTuple):
    """One change of names that is not synced."""

    folder: str
    source: str
    """The name that goes; empty if none does."""
    target: str
    """The name that comes, and then is this inode's; empty if none does."""
    inode: int


class FileModel:
    """One file: as it was synced last, and what was done since."""

    __slots__ = ("durable", "live", "moment", "sizes", "versions")

    def __init__(self, content: bytes = b"") -> None:
        self.durable = content
        self.live = bytearray(content)
        self.moment = 0
        self.sizes: list[int] = [len(content)]
        """The length at the last sync, and each one since."""
        self.versions: dict[int, list[tuple[int, bytes]]] = {}
        """Moment and contents of each sector since, oldest first; whole sectors, zeros behind the end."""

    def write(self, offset: int, data: bytes) -> None:
        live = self.live
        end = offset + len(data)
        if end > len(live):
            live.extend(bytes(end - len(live)))
            self.sizes.append(end)
        if live[offset:end] != data:
            live[offset:end] = data
            self._changed(offset, end)

    def truncate(self, size: int) -> None:
        live, before = self.live, len(self.live)
        if size == before:
            return
        if size < before:
            lost = any(live[size:])
            del live[size:]
            if lost:
                self._changed(size, before)
        else:
            live.extend(bytes(size - before))
        self.sizes.append(size)

    def sync(self) -> None:
        if self.is_dirty:
            self.durable = bytes(self.live)
            self.versions.clear()
            self.sizes = [len(self.durable)]

    @property
    def is_dirty(self) -> bool:
        return bool(self.versions) or len(self.sizes) > 1

    def _changed(self, start: int, end: int) -> None:
        self.moment += 1
        for sector in range(start // SECTOR, (end + SECTOR - 1) // SECTOR):
            content = bytes(self.live[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")
            known = self.versions.get(sector)
            if known is None:
                if content != self.original(sector):
                    self.versions[sector] = [(self.moment, content)]
            elif known[-1][1] != content:
                known.append((self.moment, content))

    def original(self, sector: int) -> bytes:
        """A sector as it was synced last."""
        return self.durable[sector * SECTOR : (sector + 1) * SECTOR].ljust(SECTOR, b"\0")

    def content(self, size: int, chosen: dict[int, bytes]) -> bytes:
        """The file with this length and these sectors."""
        image = bytearray(self.durable)
        del image[size:]
        image.extend(bytes(size - len(image)))
        for sector, data in chosen.items():
            start = sector * SECTOR
            if start < size:
                image[start : start + SECTOR] = data
        del image[size:]
        return bytes(image)

    # The states

    def count(self) -> int:
        """How many there are, torn sectors aside; a large number may be too small."""
        found = len(set(self.sizes))
        for versions in self.versions.values():
            found *= len(versions) + 1
            if found > 1 << 40:
                break
        return found

    def all(self) -> Iterator[bytes]:
        """Every state, torn sectors aside."""
        sectors = list(self.versions)
        options = [[None, *(data for _, data in self.versions[sector])] for sector in sectors]
        for size in dict.fromkeys(self.sizes):
            for choice in product(*options):
                chosen = {s: data for s, data in zip(sectors, choice, strict=True) if data is not None}
                yield self.content(size, chosen)

    def corner(self, kind: int) -> bytes:
        """One of the states that are most likely to hurt."""
        newest = {sector: versions[-1][1] for sector, versions in self.versions.items()}
        sectors = sorted(newest)
        size = self.sizes[-1]
        match kind:
            case 0:
                return bytes(self.live)
            case 1:
                return self.durable
            case 2:  # only the length
                return self.content(size, {})
            case 3:  # only the data
                return self.content(self.sizes[0], newest)
            case 4:  # only the last
                return self.content(size, {s: newest[s] for s in sectors[-1:]})
            case 5:  # all but the first
                return self.content(size, {s: newest[s] for s in sectors[1:]})
            case 6:  # all but the last
                return self.content(size, {s: newest[s] for s in sectors[:-1]})
            case 7:  # the newer half
                return self.content(size, {s: newest[s] for s in sectors[len(sectors) // 2 :]})
            case 8:  # whole pages, every other one
                return self.content(size, {s: newest[s] for s in sectors if s // PAGE_SECTORS & 1})
            case _:  # what was written first
                return self.content(size, {s: versions[0][1] for s, versions in self.versions.items()})

    def random(self, random: Random) -> bytes:
        """Any state."""
        size = random.choice(self.sizes) if random.random() < 0.5 else self.sizes[-1]
        grain = PAGE_SECTORS if random.random() < 0.4 else 1
        share = random.choice((0.1, 0.5, 0.5, 0.9))
        moments: dict[int, int] = {}
        chosen: dict[int, bytes] = {}
        for sector, versions in self.versions.items():
            unit = sector // grain
            if unit not in moments:
                newest = random.random() < share
                moments[unit] = self.moment if newest else random.randrange(self.moment + 1)
                if not newest and random.random() < share:
                    moments[unit] = -1
            held = [data for moment, data in versions if moment <= moments[unit]]
            if held:
                chosen[sector] = held[-1]
        if self.versions and random.random() < 0.15:
            sector = random.choice(list(self.versions))
            data = random.choice(self.versions[sector])[1]
            cut = random.randrange(1, SECTOR)
            chosen[sector] = data[:cut] + self.original(sector)[cut:]
        return self.content(size, chosen)


CORNERS: Final = 10


class DiskModel:
    """A disk on which calls are replayed one by one; between any two of them the power may fail."""

    def __init__(self, image: Image) -> None:
        self.files: dict[int, FileModel] = {}
        self.names: dict[str, int] = {}
        """Durable ones."""
        self.pending: list[NameChange] = []
        for number, (path, content) in enumerate(image.items()):
            self.names[path] = _DIRECTORY if content is None else number
            if content is not None:
                self.files[number] = FileModel(content)
        for path in image:
            while path := path.rpartition("/")[0]:
                self.names.setdefault(path, _DIRECTORY)

    def replay(self, call: Call) -> bool:
        """Do one call; False if it leaves no state that was not possible before."""
        match call:
            case ("write", inode, offset, data):
                self.files[inode].write(offset, data)
            case ("truncate", inode, size):
                self.files[inode].truncate(size)
            case ("sync", inode):
                self.files[inode].sync()
            case ("create", path, inode):
                self.files[inode] = FileModel()
                self.pending.append(NameChange(_folder(path), "", path, inode))
            case ("mkdir", path):
                self.pending.append(NameChange(_folder(path), "", path, _DIRECTORY))
            case ("rename", source, target, inode):
                self.pending.append(NameChange(_folder(source), source, target, inode))
            case ("unlink", path, inode):
                self.pending.append(NameChange(_folder(path), path, "", inode))
            case ("sync_dir", path):
                synced = [change for change in self.pending if change.folder == path]
                self.pending = [change for change in self.pending if change.folder != path]
                self._rename(self.names, synced)
            case _:
                return False
        return True

    def states(self, budget: int, random: Random) -> Iterator[Image]:
        """What may be left now: everything if that is at most `budget` states, else so many of them.

        Some may be equal.
        """
        choices = self._name_choices(budget)
        total, dirty = 0, []
        for names in choices:
            files = [inode for inode in set(names.values()) if inode in self.files]
            dirty.append([inode for inode in sorted(files) if self.files[inode].is_dirty])
            found = 1
            for inode in dirty[-1]:
                found *= self.files[inode].count()
            total += found
        if total <= budget and len(choices) < budget:
            for names, inodes in zip(choices, dirty, strict=True):
                for contents in product(*(self.files[inode].all() for inode in inodes)):
                    yield self._image(names, dict(zip(inodes, contents, strict=True)))
            return
        for number in range(budget):
            if number < CORNERS or (number < 2 * CORNERS and len(choices) > 1):
                pick = -1 if number < CORNERS else random.randrange(len(choices))
                corner = number % CORNERS
                contents_of = {inode: self.files[inode].corner(corner) for inode in dirty[pick]}
            else:
                pick = random.randrange(len(choices))
                contents_of = {inode: self._any(inode, random) for inode in dirty[pick]}
            yield self._image(choices[pick], contents_of)

    def _any(self, inode: int, random: Random) -> bytes:
        file = self.files[inode]
        return file.corner(random.randrange(CORNERS)) if random.random() < 0.25 else file.random(random)

    def _name_choices(self, budget: int) -> list[dict[str, int]]:
        """The names that may be left, without repetitions; the last one has all changes."""
        pending = self.pending
        chosen: dict[tuple[int, ...], None] = {}
        if len(pending) <= 6:
            subsets: Iterator[tuple[int, ...]] = iter(
                tuple(i for i, kept in enumerate(bits) if kept)
                for bits in product((False, True), repeat=len(pending))
            )
        else:
            everything = tuple(range(len(pending)))
            subsets = iter(
                [
                    *(everything[:end] for end in everything),
                    *((one,) for one in everything),
                    *((*everything[:one], *everything[one + 1 :]) for one in everything),
                    *(
                        tuple(i for i in everything if pending[i].folder == folder)
                        for folder in dict.fromkeys(change.folder for change in pending)
                    ),
                    everything,
                ]
            )
        for subset in subsets:
            if self._is_possible(subset):
                chosen[subset] = None
        found = []
        for subset in chosen:
            names = dict(self.names)
            self._rename(names, [pending[i] for i in subset])
            found.append(names)
        return found

    def _is_possible(self, subset: tuple[int, ...]) -> bool:
        """Whether everything is there that the changes build on."""
        held = set(subset)
        for index in subset:
            change = self.pending[index]
            touched = {change.source, change.target} - {""}
            for earlier in range(index):
                before = self.pending[earlier]
                if earlier not in held and touched & {before.source, before.target}:
                    return False
        return True

    @staticmethod
    def _rename(names: dict[str, int], changes: list[NameChange]) -> None:
        for change in changes:
            names.pop(change.source, None)
            if change.target:
                names[change.target] = change.inode

    def _image(self, names: dict[str, int], contents: dict[int, bytes]) -> Image:
        image: Image = {}
        for path in sorted(names):
            folder = _folder(path)
            if folder == "/" or (folder in image and image[folder] is None):
                inode = names[path]
                if inode == _DIRECTORY:
                    image[path] = None
                elif inode in contents:
                    image[path] = contents[inode]
                else:
                    image[path] = self.files[inode].durable
        return image


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"
