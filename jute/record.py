"""``Record``: a class body that is at once the documentation, the type, and the codec of a record.

    class GetDataRequest(Record):
        path: UString
        watch: Bool

gives a slotted class with ``__init__``, ``decode(buf, offset)``, ``encode()``, ``parse(buf)`` and value
equality, and ``GetDataRequest.declaration()``, the same thing as a ``construct.Struct``. Both are read
from the one class body; a property test holds them to the same results.

To the type checker a record is frozen. At run time it is a plain slotted class: a real frozen dataclass
costs five times more to make. The code is generated when a record is first used, because a server
touches a third of them in its first second and start-up time is felt in every test run.
"""

import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Self, cast, dataclass_transform, get_args

import construct

from .compiler import Fields, Malformed, RecordShape, generate, size_min
from .errors import JuteError, NullField, TrailingBytes
from .wiretypes import JuteVector, VectorOf


def _annotations(namespace: dict[str, Any]) -> dict[str, Any]:
    """The annotations in a class body, evaluated; Python 3.14 keeps them behind a function."""
    if sys.version_info >= (3, 14):
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is None:
            return {}
        return cast(
            dict[str, Any], annotationlib.call_annotate_function(annotate, annotationlib.Format.VALUE)
        )
    return cast(dict[str, Any], namespace.get("__annotations__", {}))


def _wire_type(annotation: Any) -> Any:
    """The construct object or ``RecordShape`` that an annotation stands for."""
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation.shape
    marker = annotation.__metadata__[0]
    if isinstance(marker, VectorOf):
        element = _wire_type(get_args(get_args(get_args(annotation)[0])[0])[0])
        return JuteVector(element, size_min(element), marker.common)
    return marker


def _as_construct(kind: Any) -> Any:
    """A wire type as a construct object (nested records become their declarations)."""
    if isinstance(kind, RecordShape):
        return cast(type[Record], kind.cls).declaration()
    if isinstance(kind, JuteVector):
        return JuteVector(_as_construct(kind.subcon), kind.element_bytes_min, kind.common)
    return kind


class _RecordConstruct(construct.Adapter):  # type: ignore[misc]
    """``construct.Struct`` on one side, the record class on the other."""

    def __init__(self, cls: "type[Record]") -> None:
        fields = [name / _as_construct(kind) for name, kind in cls.shape.fields]
        super().__init__(construct.Struct(*fields))
        self.cls = cls

    def _decode(self, obj: Any, context: Any, path: str) -> Any:
        return self.cls(*(obj[name] for name, _ in self.cls.shape.fields))

    def _encode(self, obj: Any, context: Any, path: str) -> Any:
        return {name: getattr(obj, name) for name, _ in self.cls.shape.fields}


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Metaclass: turns annotations into slots and hangs the lazily compiled codec on the class."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "RecordType":
        annotations = _annotations(namespace) if bases else {}
        fields: Fields = [(field, _wire_type(kind)) for field, kind in annotations.items()]
        cls = super().__new__(mcs, name, bases, {"__slots__": tuple(annotations), **namespace})
        if bases:
            record = cast("type[Record]", cls)
            record.shape = RecordShape(cls, fields)
            names = [field for field, _ in fields]
            key: Callable[[Any], Any] = attrgetter(*names) if names else lambda self: ()
            type.__setattr__(cls, "_key", staticmethod(key))
            _install_stubs(record)
        return cls


def _install_stubs(cls: "type[Record]") -> None:
    """Until first use ``__init__``, ``decode`` and ``encode`` compile the class and call themselves again."""

    def compile_now() -> None:
        init, decode, encode, source = generate(cls.shape)
        type.__setattr__(cls, "__init__", init)
        type.__setattr__(cls, "decode", staticmethod(decode))
        type.__setattr__(cls, "encode", encode)
        cls.source = source

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        compile_now()
        self.__init__(*args, **kwargs)

    def decode(buf: bytes, offset: int = 0, pause: Callable[[], None] | None = None) -> Any:
        compile_now()
        return cls.decode(buf, offset, pause)

    def encode(self: Any, pause: Callable[[], None] | None = None) -> bytes:
        compile_now()
        return cast(bytes, self.encode(pause))

    type.__setattr__(cls, "__init__", init)
    type.__setattr__(cls, "decode", staticmethod(decode))
    type.__setattr__(cls, "encode", encode)


class Record(metaclass=RecordType):
    """Base of every record; see the module docstring."""

    shape: ClassVar[RecordShape]
    source: ClassVar[str]
    """Text of the generated code, for reading; set when the class is first used."""
    _key: ClassVar[Callable[[Any], Any]]

    @classmethod
    def decode(cls, buf: bytes, offset: int = 0, pause: Callable[[], None] | None = None) -> tuple[Self, int]:
        """Read one record from ``buf`` at ``offset``; return it and the offset behind it.

        ``pause`` is called now and then while a long vector is read.

        Raises JuteError (record, field, offset) on malformed bytes. Bytes behind the record are left
        alone: the original ignores them in requests.
        """
        raise NotImplementedError  # replaced on every record class

    def encode(self, pause: Callable[[], None] | None = None) -> bytes:
        """The record's bytes. Raises NullField for a null where the protocol has none.

        ``pause`` is called now and then while a long vector is written.
        """
        raise NotImplementedError  # replaced on every record class

    @classmethod
    def parse(cls, buf: bytes) -> Self:
        """Read a record that must fill ``buf``. Raises JuteError, ``TrailingBytes`` when it is longer."""
        record, end = cls.decode(buf, 0)
        if end != len(buf):
            raise TrailingBytes(cls.__name__, "", end, f"{len(buf) - end} bytes left over")
        return record

    @classmethod
    def declaration(cls) -> Any:
        """The record as a ``construct`` object whose ``parse`` and ``build`` speak this class."""
        return _RecordConstruct(cls)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and type(self)._key(self) == type(self)._key(other)

    def __hash__(self) -> int:
        return hash(type(self)._key(self))

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name, _ in self.shape.fields)
        return f"{type(self).__name__}({values})"


__all__ = ["JuteError", "Malformed", "NullField", "Record"]
