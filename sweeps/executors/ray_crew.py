"""The executor of a Ray cluster: an actor for each device, on nodes that come and go."""

from __future__ import annotations

import pickle
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from methods.errors import FrontuneError
from storage.checkpoints import NoSpace, Unwritable, save_content
from sweeps.executors.base import MakeRunner
from sweeps.executors.crew import Crew
from sweeps.executors.devices import device_of
from sweeps.executors.messages import Alive, Broken, Cancel, Command, Gone, Happened, Message, Room, Submit
from sweeps.executors.ray_cluster import connected, living_nodes
from sweeps.executors.ray_worker import RayWorker
from sweeps.executors.staff import Hand
from sweeps.trial import Failed, Finished, Rung, TrialSpec

LISTEN_S = 1.0
"""So long an actor waits before it answers that nothing happened."""
AWAY_S = 0.1
"""So long an actor that cannot be reached is left before it is asked again."""
LOOK_EVERY_S = 1.0
"""How often the cluster is asked for its nodes."""
GROUPS = {"commands": 1, "messages": 1, "ending": 1}
"""Threads of an actor: one each, so that commands keep their order and listening does not hold them up."""


class RayHand:
    """One actor, and the answer that it still owes."""

    # An actor may have to wait for what another one has not let go of yet.
    first_room = Room(0)

    def __init__(self, ray: Any, name: str, node: str, actor: Any) -> None:
        self._ray, self._name, self._node, self._actor = ray, name, node, actor
        self._trials: dict[int, TrialSpec] = {}
        self.has_begun = False
        self._was_away = False
        self.answer = self._ask()

    @property
    def name(self) -> str:
        return self._name

    def send(self, command: Command) -> None:
        if isinstance(command, Submit):
            self._trials[command.ticket] = command.trial
            command = replace(command, state=_content(command.trial.checkpoint_file))
        elif isinstance(command, Cancel):
            self._trials.pop(command.ticket, None)
        # That the actor is gone is heard when it is listened to.
        self._actor.tell.options(concurrency_group="commands").remote(command)

    def end(self, patience_s: float) -> None:
        if patience_s > 0 and self.has_begun:
            ended = self._actor.end.options(concurrency_group="ending").remote(patience_s)
            self._ray.wait([ended], timeout=patience_s)
        self._ray.kill(self._actor, no_restart=True)

    def heard(self) -> list[Message]:
        """What the answer says, files written where the driver wants them; asks for the next one."""
        try:
            messages: list[Message] = self._ray.get(self.answer)
        except self._ray.exceptions.ActorUnavailableError:
            # Ray itself does not know yet whether actor or node are gone.
            self._was_away = True
            self.answer = self._ask()
            time.sleep(AWAY_S)
            return []
        except self._ray.exceptions.RayError as error:
            has_node = any(node.id == self._node for node in living_nodes())
            return [Gone(f"died: {_cause(error)}", with_machine=not has_node)]
        if self._was_away:
            return [Gone("was out of reach for a while: some of what it said is lost")]
        self.has_begun = True
        self.answer = self._ask()
        messages = [self._with_file_kept(each) for each in messages]
        if any(isinstance(message, Broken) for message in messages):
            messages.append(Gone("ended"))
        return messages

    def _ask(self) -> Any:
        return self._actor.listen.options(concurrency_group="messages").remote(LISTEN_S)

    def _with_file_kept(self, message: Message) -> Message:
        """Write what came with a message; an adapter for which there is no room is no result."""
        if not isinstance(message, Happened) or message.ticket not in self._trials:
            return message
        trial, event, content = self._trials[message.ticket], message.event, message.file
        if isinstance(event, Finished | Failed):
            del self._trials[message.ticket]
        try:
            if isinstance(event, Rung) and content is not None:
                with suppress(Unwritable):
                    save_content(Path(trial.checkpoint_file), content)
            elif isinstance(event, Finished) and content is not None:
                save_content(Path(trial.adapter_file), content)
        except NoSpace as error:
            event = Failed(event.number, str(error), kind="no_space")
        except FrontuneError as error:
            event = Failed(event.number, str(error))
        return Happened(message.ticket, event)


class RayStaff:
    """Has an actor with `resources` on each node as often as they are there, and goes with the nodes."""

    def __init__(self, ray: Any, make_runner: MakeRunner, resources: Mapping[str, float]) -> None:
        self._ray, self._resources = ray, dict(resources)
        # Plain values alone, and once for all actors: the data may be large.
        self._maker = ray.put(pickle.dumps(make_runner))
        self._actor = ray.remote(concurrency_groups=GROUPS)(RayWorker)
        self._numbers: dict[tuple[str, int], int] = {}
        self._addresses: dict[str, str] = {}
        self._places: list[int] = []
        self._look_at = 0.0

    def places(self) -> Sequence[int]:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_EVERY_S
            self._places = []
            for node in living_nodes():
                self._addresses[node.id] = node.address
                for share in range(node.places(self._resources)):
                    number = self._numbers.setdefault((node.id, share), len(self._numbers))
                    self._places.append(number)
        return self._places

    def hire(self, place: int) -> RayHand:
        """Start an actor on its node; where that is gone by now, the hand says so."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        node = next(node for (node, _), number in self._numbers.items() if number == place)
        own = {name: amount for name, amount in self._resources.items() if name not in ("cpu", "gpu")}
        actor = self._actor.options(
            num_cpus=self._resources.get("cpu", 0),
            num_gpus=self._resources.get("gpu", 0),
            resources=own,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        ).remote(self._maker, device_of(self._resources))
        return RayHand(self._ray, f"worker {place} on {self._addresses[node]}", node, actor)

    def listen(self, hands: Sequence[Hand], timeout_s: float) -> Mapping[Hand, list[Message]]:
        by_answer = {hand.answer: hand for hand in hands if isinstance(hand, RayHand)}
        if not by_answer:
            time.sleep(timeout_s)
            return {}
        waiting = list(by_answer)
        ready, _ = self._ray.wait(waiting, num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
        # One that waits for its node's resources, which another job may have, does not hang.
        heard: dict[Hand, list[Message]] = {h: [Alive()] for h in by_answer.values() if not h.has_begun}
        return heard | {by_answer[each]: by_answer[each].heard() for each in ready}


def ray_crew(make_runner: MakeRunner, address: str, resources: Mapping[str, float], timeout_s: float) -> Crew:
    """Return an executor on the cluster at `address`, once a worker is ready; raises FrontuneError where
    none is within `timeout_s`."""
    return Crew(RayStaff(connected(address), make_runner, resources), timeout_s)


def _content(file: str) -> bytes | None:
    """The state of a trial that goes on; without it the trial begins anew."""
    with suppress(OSError):
        return Path(file).read_bytes() if file else None
    return None


def _cause(error: Exception) -> str:
    """The sentence of Ray's message that says why, without its general advice."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    cause = next((line for line in lines if " because " in line), lines[0])
    return cause.strip().partition(" Some common causes")[0]
