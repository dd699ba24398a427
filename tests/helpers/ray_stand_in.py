"""A stand-in for the part of Ray that the engine calls: actors live in this process, and die when a test says so.

It shows that the engine keeps its promises towards a study, whatever Ray answers; that Ray does answer so, slow tests show.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any


class RayError(Exception):
    """As Ray's."""


class RayActorError(RayError):
    """As Ray's, of an actor whose node is gone."""


class RayTaskError(RayError):
    """As Ray's, of a method that raised its `cause`."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Actor:
    """A handle, with the object itself in it."""

    def __init__(self, cls: type) -> None:
        self.instance, self.dead = cls(), False

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)

    def call(self, name: str, *words: Any) -> Any:
        if self.dead:
            raise RayActorError("the actor died")
        try:
            return getattr(self.instance, name)(*words)
        except RayError:
            raise
        except BaseException as error:
            raise RayTaskError(error) from error


class Method:
    def __init__(self, actor: Actor, name: str, streaming: bool = False) -> None:
        self._actor, self._name, self._streaming = actor, name, streaming

    def options(self, *, num_returns: str) -> Method:
        assert num_returns == "streaming"
        return Method(self._actor, self._name, True)

    def remote(self, *words: Any) -> Any:
        if not self._streaming:
            answer: Future[Any] = Future()
            try:
                answer.set_result(self._actor.call(self._name, *words))
            except RayError as error:
                answer.set_exception(error)
            return answer.result
        return self._stream(*words)

    def _stream(self, *words: Any) -> Iterator[Callable[[], Any]]:
        values = self._actor.call(self._name, *words)
        while True:
            try:
                value = next(values)
            except StopIteration:
                return
            except RayError:
                raise
            except BaseException as error:
                raise RayTaskError(error) from error
            if self._actor.dead:
                raise RayActorError("the actor died")
            yield lambda value=value: value


def stand_in(address: str = "127.0.0.1:6379", **resources: float) -> types.ModuleType:
    """A module `ray` whose cluster has these resources; `made` are its actors, `joined` how it was joined.

    All actors are on the node "node", which is shut down when it is in `draining`.
    """
    module: Any = types.ModuleType("ray")
    module.exceptions = types.ModuleType("ray.exceptions")
    for kind in (RayError, RayActorError, RayTaskError):
        setattr(module.exceptions, kind.__name__, kind)
    module.made, module.joined, module.needs = [], [], []

    class Maker:
        def __init__(self, cls: type) -> None:
            self._cls = cls

        def options(self, **needs: Any) -> Maker:
            module.needs.append(needs)
            return self

        def remote(self) -> Actor:
            module.made.append(Actor(self._cls))
            return module.made[-1]  # type: ignore[no-any-return]

    module.remote = Maker
    module.init = lambda **how: module.joined.append(how)
    module.shutdown = module.joined.clear
    module.is_initialized = lambda: bool(module.joined)
    module.cluster_resources = lambda: resources
    module.get_runtime_context = lambda: types.SimpleNamespace(gcs_address=address, get_node_id=lambda: "node")
    module.draining = {}
    state = types.SimpleNamespace(get_draining_nodes=lambda: module.draining)
    module._private = types.SimpleNamespace(worker=types.SimpleNamespace(), state=types.SimpleNamespace(state=state))
    module.util = types.SimpleNamespace(get_node_ip_address=lambda: "10.0.0.7")
    module.get = lambda reference: reference()
    module.wait = lambda references, timeout: [reference() for reference in references]
    module.kill = lambda actor: setattr(actor, "dead", True)
    return module  # type: ignore[no-any-return]
