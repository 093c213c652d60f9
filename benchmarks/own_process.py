"""A process that answers what it is asked."""

import contextlib
import multiprocessing
from collections.abc import Callable
from typing import Any, Self

from keras_medformers.support.errors import UserError


class OwnProcess:
    """A fresh process with a function made in it; as a context manager it ends with the block.

    Args:
        make: Function of a module, called in the process with `arguments`. Returns the function that answers,
            of one argument: what is asked.
        arguments: What `make` takes.
        name: What the process is called in messages.
    """

    def __init__(self, make: Callable, arguments: tuple, name: str):
        context = multiprocessing.get_context("spawn")
        self._name = name
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, make, arguments, name), daemon=True
        )
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self._pipe.close()
        self._process.join(timeout=30)
        if self._process.is_alive():
            self._process.terminate()

    def ask(self, question: object) -> Any:
        """The answer; an error in the process is raised here, with the name in its message."""
        try:
            with contextlib.suppress(
                ConnectionError
            ):  # a process that has ended may have left an error
                self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise RuntimeError(
                f"{self._name} ended with {self._process.exitcode}"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe, make, arguments, name):
    """What the process does: answers until the other end is closed."""
    try:
        answer = make(*arguments)
        while True:
            pipe.send(answer(pipe.recv()))
    except EOFError:
        return
    except Exception as error:  # goes to the other process, which ends the benchmark
        pipe.send(
            error if isinstance(error, UserError) else RuntimeError(f"{name}: {error}")
        )
