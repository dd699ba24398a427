"""A process that imports what workers need once, and forks a worker whenever it is asked; see `forked_workers`.

It never trains, so that a fork of it is a process that has imported and nothing else: the only threads beside its own are those
of pyarrow's allocator and of numpy's OpenBLAS, which both prepare for a fork. Its stdin is a socket: each message is
`{"number"}`, with the stdin, stdout and stderr of a new worker, or `{"kill": number}`; the answers are `{"number", "pid"}` and,
when a worker has ended, `{"number", "code"}`. It ends with its parent, and its workers end with it.
"""

import ctypes
import gc
import json
import os
import selectors
import signal
import socket

from bertft_core.processes import leave
from bertft_core.training import worker

PR_SET_PDEATHSIG = 1
MESSAGE_BYTES = 1024
NONE = -1
Descriptors = list[int]


def main() -> None:
    """Fork workers until the parent is gone; in a forked process, be the worker."""
    requests = socket.socket(fileno=os.dup(0))
    worker.import_libraries()
    gc.freeze()
    descriptors = _Template(requests).descriptors_of_a_worker()
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    worker.serve()


class _Template:
    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._workers: dict[int, tuple[int, int]] = {}
        """Number and process of each worker, by the descriptor of the process."""
        self._looks = selectors.DefaultSelector()
        self._looks.register(requests, selectors.EVENT_READ)

    def descriptors_of_a_worker(self) -> Descriptors:
        """Returns in each forked process, with what are to be its descriptors 0, 1 and 2, and never in the template."""
        while True:
            for key, _ in self._looks.select():
                if key.fileobj is not self._requests:
                    self._bury(key.fd)
                elif descriptors := self._forked():
                    return descriptors

    def _forked(self) -> Descriptors | None:
        message, descriptors, _, _ = socket.recv_fds(self._requests, MESSAGE_BYTES, 3)
        if not message:
            leave()  # the parent is gone
        request = json.loads(message)
        if "kill" in request:
            self._kill(request["kill"])
            return None
        template = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:  # too many processes: workers that train go on
            os.write(descriptors[2], f"no process for a worker: {error}\n".encode())
            pid = NONE
        if pid == 0:
            self._become_worker(template)
            return descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        self._note(request["number"], pid)
        return None

    def _note(self, number: int, pid: int) -> None:
        """Tell what came of a fork, and watch the process if there is one."""
        if pid == NONE:
            self._tell(number=number, code=1)
            return
        process = os.pidfd_open(pid)
        self._workers[process] = number, pid
        self._looks.register(process, selectors.EVENT_READ)
        self._tell(number=number, pid=pid)

    def _become_worker(self, template: int) -> None:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != template:  # it ended before the call above
            leave()
        os.setsid()
        self._looks.close()
        self._requests.close()
        for process in self._workers:
            os.close(process)

    def _kill(self, number: int) -> None:
        for process, (its_number, _) in self._workers.items():
            if its_number == number:
                signal.pidfd_send_signal(process, signal.SIGKILL)

    def _bury(self, process: int) -> None:
        self._looks.unregister(process)
        os.close(process)
        number, pid = self._workers.pop(process)
        _, status = os.waitpid(pid, 0)
        self._tell(number=number, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **answer: int) -> None:
        try:
            self._requests.send(json.dumps(answer).encode())
        except OSError:
            leave()


if __name__ == "__main__":
    main()
