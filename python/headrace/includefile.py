"""`IncludeFile`: a file's content as a parameter of a run. The engine stores the file once, named by its hash."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, Optional, Union

from .errors import MetaflowException
from .parameters import DelayedEvaluationParameter, DeployTimeField, Parameter, ParameterContext

#: Files to be stored by the engine, gathered while a run's parameters are evaluated; None at other times.
_collection: "Optional[_Collection]" = None


class _Collection:
    """includes: `includes` of the flow spec. root: URL below which files are stored, `<root>/<flow>/<sha1>`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.includes: List[Dict[str, str]] = []

    def __enter__(self) -> List[Dict[str, str]]:
        global _collection
        _collection = self
        return self.includes

    def __exit__(self, *exc: Any) -> None:
        global _collection
        _collection = None


def collected(datastore: Any) -> _Collection:
    """While in it, files of evaluated parameters are added to the list that it gives.

    datastore: anything with `TYPE` and `datastore_root`.
    """
    from . import settings

    kind = "S3" if datastore.TYPE == "s3" else "LOCAL"
    root = getattr(settings, "DATATOOLS_%sROOT" % kind) or os.path.join(
        datastore.datastore_root, settings.DATATOOLS_SUFFIX
    )
    return _Collection(str(root).rstrip("/") if kind == "S3" else "local://" + os.path.abspath(root))


class IncludedFile:
    """What is stored as the artifact: where the content is. `decode` reads it."""

    def __init__(self, descriptor: Dict[str, Any]) -> None:
        self._descriptor = descriptor
        self._cached_size: Optional[int] = None

    @property
    def descriptor(self) -> Dict[str, Any]:
        return self._descriptor

    @property
    def size(self) -> int:
        """Bytes of the content."""
        if self._cached_size is None:
            size = self._descriptor.get("size")
            self._cached_size = len(_read(self._descriptor, "")) if size is None else int(size)
        return self._cached_size

    def decode(self, name: str, var_type: str = "Artifact") -> Union[str, bytes]:
        """The content. name, var_type: for error texts."""
        if self._descriptor.get("type") not in ("uploader-v1", "uploader-v2"):
            import json

            raise MetaflowException(
                "%s '%s' could not be loaded (IncludedFile) because no handler found: %s"
                % (var_type, name, json.dumps(self._descriptor))
            )
        content = _read(self._descriptor, name)
        if not self._descriptor.get("is_text"):
            return content
        import io

        # Line ends become "\n", as in a file opened as text.
        return io.TextIOWrapper(io.BytesIO(content), encoding=self._descriptor.get("encoding")).read()


IncludedFile.__module__ = "metaflow.includefile"


def _read(descriptor: Dict[str, Any], name: str) -> bytes:
    url = str(descriptor["url"])
    scheme, _, path = url.partition("://")
    if scheme not in ("local", "s3"):
        raise MetaflowException(
            "The included file '%s' is stored at %s; Headrace reads files of local datastores and of S3." % (name, url)
        )
    from .channel import store_channel
    from .errors import EngineError
    from .pickling import LoadStream, again_if_damaged

    _, flow, sha = path.rsplit("/", 2)

    def read() -> bytes:
        answer = store_channel().request("include", flow=flow, sha=sha, url=url, size=-1, name=name, path=url)
        stream = answer.get("stream")
        return bytes(answer.payload) if stream is None else bytes(LoadStream(store_channel(), stream).read())

    try:
        return again_if_damaged(read)
    except EngineError as error:
        if error.kind != "missing":
            raise
        raise FileNotFoundError("File at '%s' does not exist" % url) from error


# --- command line ----------------------------------------------------------------------------------------------


class FilePathClass:
    """The type of the option: a path becomes a file that is stored when the run starts."""

    name = "FilePath"

    def __init__(self, is_text: bool, encoding: str) -> None:
        self._is_text = is_text
        self._encoding = encoding

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, (DelayedEvaluationParameter, IncludedFile)):
            return value
        if not isinstance(ctx, ParameterContext):
            ctx = _context_of(param, ctx)
        if value.startswith("{") or value.startswith('"{'):
            return IncludedFile(_descriptor_of(value, ctx.parameter_name))
        path = os.path.expanduser(value)
        if path.find("://") > 0:
            raise MetaflowException(
                "IncludeFile using a direct reference to a file in cloud storage is no longer supported. Contact the "
                "Metaflow team if you need this supported"
            )
        try:
            with open(path, "rb"):
                pass
        except OSError:
            _usage_error("IncludeFile: could not open file '%s' for reading" % path, param)

        def store(return_str: bool = False) -> Any:
            included = IncludedFile(_store(ctx, path, self._is_text, self._encoding))
            if not return_str:
                return included
            import json

            return json.dumps(included.descriptor)

        return DelayedEvaluationParameter(ctx.parameter_name, "default", store)

    def __str__(self) -> str:
        return repr(self)

    def __repr__(self) -> str:
        return "FilePath"


def _context_of(param: Any, ctx: Any) -> ParameterContext:
    """The context for a value of the command line. ctx: click's."""
    from .identity import get_username

    return ParameterContext(
        flow_name=ctx.obj.flow.name,
        user_name=get_username(),
        parameter_name=param.name,
        logger=ctx.obj.echo,
        ds_type=ctx.obj.datastore_impl.TYPE,
        configs=None,
    )


def _usage_error(message: str, param: Any) -> None:
    import click

    raise click.BadParameter(message, param=param)


def _descriptor_of(text: str, name: Optional[str]) -> Dict[str, Any]:
    """The descriptor of a file that a deployment has stored already."""
    import json

    try:
        value = json.loads(text)
        descriptor: Dict[str, Any] = value if isinstance(value, dict) else json.loads(value)
    except ValueError:
        raise MetaflowException("IncludeFile '%s' (value: %s) is malformed" % (name, text)) from None
    return descriptor


def _store(ctx: ParameterContext, path: str, is_text: bool, encoding: str) -> Dict[str, Any]:
    """The descriptor of the file at `path`, which is added to the files that the engine stores."""
    if _collection is None:
        raise MetaflowException("The file %s can be included only when a run starts." % path)
    size = shown = os.path.getsize(path)
    units = ["B", "KB", "MB", "GB", "TB"]
    unit = 0
    while shown >= 1024 and unit < len(units) - 1:
        shown //= 1024
        unit += 1
    ctx.logger(
        "Including file %s of size %d%s %s" % (path, shown, units[unit], "(this may take a while)" if unit >= 3 else "")
    )
    sha = _sha1(path)
    url = "%s/%s/%s" % (_collection.root, ctx.flow_name, sha)
    _collection.includes.append({"path": os.path.abspath(path), "sha": sha, "url": url})
    return {
        "type": "uploader-v2",
        "url": url,
        "is_text": is_text,
        "encoding": encoding,
        "note": "Internal representation of IncludeFile",
        "sub-type": "uploaded",
        "size": size,
    }


def _sha1(path: str) -> str:
    from hashlib import sha1

    digest = sha1()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


class IncludeFile(Parameter):
    """A file whose content is an attribute of the flow, the same in all steps: `data = IncludeFile("data")`.

    default: a path, or a function of a ParameterContext that gives one. is_text: give text (default) or bytes.
    encoding: of text, by default utf-8. parser: a function of the content, or its dotted name, applied on reading.
    The other arguments are those of Parameter.
    """

    def __init__(
        self,
        name: str,
        required: Optional[bool] = None,
        is_text: Optional[bool] = None,
        encoding: Optional[str] = None,
        help: Optional[str] = None,
        parser: Union[str, Callable[[str], Any], None] = None,
        **kwargs: Any,
    ) -> None:
        self._given = {k: v for k, v in (("is_text", is_text), ("encoding", encoding)) if v is not None}
        self._parser = parser
        super().__init__(name, required=required, help=help, type=self._file_type(), **kwargs)

    def _file_type(self, kwargs: Optional[Dict[str, Any]] = None) -> FilePathClass:
        values = {"is_text": True, "encoding": "utf-8", **(kwargs or {}), **self._given}
        return FilePathClass(values["is_text"], values["encoding"])

    def init(self, ignore_errors: bool = False) -> None:
        super().init(ignore_errors)
        # A config that was unpacked may bring them.
        given: Dict[str, Any] = {key: self.kwargs.pop(key) for key in ("is_text", "encoding") if key in self.kwargs}
        file_type = self.kwargs["type"] = self._file_type(given)
        default = self.kwargs.get("default")
        if default is None:
            return
        self.kwargs["default"] = DeployTimeField(
            self.name,
            str,
            "default",
            _default_function(file_type, default),
            print_representation=default if isinstance(default, str) else "<function>",
        )

    def load_parameter(self, v: Any) -> Any:
        if v is None:
            return None
        content = v.decode(self.name, var_type="Parameter")
        if self._parser is None:
            return content
        from .user_configs import call_parser

        try:
            return call_parser(self._parser, content, True)
        except Exception as e:
            raise MetaflowException(
                "Failed to parse content in parameter '%s' using parser: %s" % (self.name, e)
            ) from e


IncludeFile.__module__ = "metaflow.includefile"


def _default_function(file_type: FilePathClass, default: Any) -> Callable[..., Any]:
    """The function behind the default: a path for the command line, a descriptor for a scheduler."""

    def evaluate(ctx: ParameterContext, deploy_time: bool = False) -> Any:
        path = default(deploy_time=deploy_time) if isinstance(default, DeployTimeField) else default
        if not deploy_time:
            return path
        value = file_type.convert(path, None, ctx)
        if isinstance(value, DelayedEvaluationParameter):
            return value(return_str=True)
        import json

        return json.dumps(value.descriptor)

    return evaluate
