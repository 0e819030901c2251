"""One exchange with an agent: look, verify, take effect, answer.

what is known -> verify -> quiet: answer from it
                        -> else: one writing transaction, verified again in it
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from holdfast.api.auth import ApiContext
from holdfast.api.routes import call_back_effects as effects
from holdfast.api.routes import joining, lookup
from holdfast.api.routes.agent_knowledge import Knowledge, Seen, Unaccepted
from holdfast.api.routes.agent_memory import Last, Memory
from holdfast.bootstrap import archive
from holdfast.identity import call_back, first_contact, signatures
from holdfast.identity.call_back import Message
from holdfast.identity.first_contact import Accepted, Claim, Known, NotYet
from holdfast.identity.proofs import Trust, challenge
from holdfast.model.event import NewEvent
from holdfast.model.ids import MachineId, cluster_key
from holdfast.model.wake import Why
from holdfast.store.database import Tx
from holdfast.store.installation import Installation
from holdfast.wire import callback
from holdfast.wire.callback import CallBack, FirstContact, Malformed

PERSIST_EVERY = timedelta(minutes=1)


class Conversation:
    """Talks with the agents of all machines."""

    def __init__(self, context: ApiContext) -> None:
        self._store = context.store
        self._clock = context.clock
        self._certificates = context.identity_certificates
        self._knowledge = Knowledge(context.store)
        self._memory = Memory(context.clock)
        self._installation: Installation | None = None
        self.archive_sha256 = archive.sha256(context.agent_archive)

    async def first_contact(self, machine_id: str, body: bytes, source: str) -> Response:
        """Bind the machine's key, or say that it is too early, or refuse."""
        try:
            said = callback.first_contact(body)
            await self._installed()
            async with self._store.writing() as tx:
                seen = await self._knowledge.look(tx, machine_id)
                return await self._contacted(tx, seen, said)
        except (Unaccepted, Malformed) as refusal:
            return await self._refuse(machine_id, str(refusal), source)

    async def call_back(
        self, machine_id: str, headers: Mapping[str, str], body: bytes, source: str
    ) -> Response:
        """Do what a call-back asks, once, and answer it."""
        path = f"/v1/agent/machines/{machine_id}/call-backs"
        signature = headers.get("holdfast-signature", "")
        message = Message(path, headers.get("holdfast-counter", ""), body, signature)
        try:
            await self._installed()
            answer = await self._quiet(machine_id, message)
            if answer is None:
                answer = await self._effective(machine_id, message)
        except (Unaccepted, Malformed) as refusal:
            return await self._refuse(machine_id, str(refusal), source)
        return Response(answer, media_type="application/json")

    async def _contacted(self, tx: Tx, seen: Seen, said: FirstContact) -> Response:
        now = self._clock.now()
        at = callback.moment(said.at)
        claim = Claim(said.nonce, said.public_key, said.cloud, said.proof, at)
        verdict = first_contact.verify(claim, await self._known(tx, seen), now)
        key = cluster_key(seen.cluster.id)
        if seen.cluster.observe_only and isinstance(verdict, Accepted) and not verdict.is_repeat:
            verdict = NotYet(effects.OBSERVE_ONLY)
        if isinstance(verdict, NotYet):
            await self._store.leases.wake(tx, key, Why.USER)
            return JSONResponse({"message": "not yet"}, 425, {"Retry-After": "1"})
        if not isinstance(verdict, Accepted):
            raise Unaccepted(verdict.reason)
        if not verdict.is_repeat:
            await self._store.agents.bind(tx, seen.machine.id, said.public_key, said.boot_id)
            await self._apply(tx, seen, effects.registered(seen.machine, now))
        self._store.heartbeats.beat(seen.machine.id, now)
        order_key = signatures.public_key((await self._installed()).signing_key_pem)
        answer = joining.contacted(seen.machine, order_key)
        return JSONResponse(answer.model_dump(mode="json", by_alias=True))

    async def _known(self, tx: Tx, seen: Seen) -> Known:
        cloud = next(c for c in seen.cluster.spec.clouds if c.cloud is seen.machine.offering.cloud)
        row = await self._store.credentials.get(tx, cloud.credentials)
        key = (await self._installed()).signing_key_pem
        trust = Trust(
            account=row.account.id if row is not None and row.account is not None else None,
            certificates=self._certificates.get(cloud.cloud, b""),
            challenge=challenge(key, seen.machine.id),
        )
        return Known(
            machine=seen.machine,
            trust=trust,
            bound_key=seen.agent.public_key if seen.agent else None,
            has_called=seen.machine.id in self._memory or bool(seen.agent and seen.agent.counter),
        )

    async def _quiet(self, machine_id: str, message: Message) -> bytes | None:
        """The answer to a message that changes nothing; None when it has an effect."""
        seen = await self._knowledge.of(machine_id)
        last = self._memory.last(seen.machine.id, seen.agent)
        said = self._verified(message, seen, last)
        if said is None:
            return last.answer if last else b""
        extra = self._without_effect(said, seen)
        if extra is None:
            return None
        answer = await self._answer(seen, int(message.counter), extra)
        self._store.heartbeats.beat(seen.machine.id, self._clock.now())
        counted = Last(int(message.counter), message.digest, answer)
        if self._memory.count(seen.machine.id, counted, PERSIST_EVERY):
            async with self._store.writing() as tx:
                agent = await self._store.agents.get(tx, seen.machine.id)
                if agent is not None and agent.counter < counted.counter:
                    await self._persist(tx, seen.machine.id, counted)
        return answer

    def _without_effect(self, said: CallBack, seen: Seen) -> Mapping[str, Any] | None:
        if isinstance(said, callback.Heartbeat):
            return {}
        if isinstance(said, callback.MayJoin):
            reason = self._waits_for(seen)
            return None if reason is None else effects.wait(reason)
        return None

    async def _effective(self, machine_id: str, message: Message) -> bytes:
        """The effect and the counter in one transaction; verified in it, since others may race."""
        async with self._store.writing() as tx:
            seen = await self._knowledge.look(tx, machine_id)
            last = self._memory.last(seen.machine.id, seen.agent)
            said = self._verified(message, seen, last)
            if said is None:
                return last.answer if last else b""
            extra = await self._take_effect(tx, seen, said)
            if isinstance(said, callback.OrderDone):
                seen = replace(seen, orders=await self._store.orders.pending(tx, seen.machine.id))
            answer = await self._answer(seen, int(message.counter), extra)
            counted = Last(int(message.counter), message.digest, answer)
            await self._persist(tx, seen.machine.id, counted)
        self._memory.persisted(seen.machine.id, counted)
        self._store.heartbeats.beat(seen.machine.id, self._clock.now())
        return answer

    async def _take_effect(self, tx: Tx, seen: Seen, said: CallBack) -> Mapping[str, Any]:
        now = self._clock.now()
        if isinstance(said, callback.MayJoin):
            reason = self._waits_for(seen)
            if reason is not None:
                return effects.wait(reason)
            keys = await self._store.secrets.get(tx, seen.cluster.id, joining.PKI)
            if keys is None:
                return effects.wait("the cluster's keys are not made yet")
            await self._apply(tx, seen, effects.joining(seen.machine, now))
            return joining.answer(seen.machine, seen.control_planes, seen.cluster, keys, now)
        if isinstance(said, callback.OrderDone):
            await self._order_done(tx, seen, said)
            return {}
        await self._apply(tx, seen, effects.of(said, seen.machine, seen.control_planes, now))
        return {}

    async def _order_done(self, tx: Tx, seen: Seen, said: callback.OrderDone) -> None:
        if not any(order.id == said.order_id for order in seen.orders):
            return  # told before, or an order that is not this machine's
        order = await self._store.orders.done(
            tx, said.order_id, said.ok, said.message, machine=seen.machine.id
        )
        if order is None:
            return
        lost = effects.removed_member(order, said, seen.control_planes, self._clock.now())
        if lost is not None:
            await self._store.machines.save(tx, lost)
        await self._apply(tx, seen, effects.order_done(order.kind, said, seen.machine))

    async def _apply(self, tx: Tx, seen: Seen, effect: effects.Effect) -> None:
        if effect.machine is not None:
            await self._store.machines.save(tx, effect.machine)
        await self._store.events.append(tx, seen.cluster.id, *effect.events)
        if effect.why is not None:
            await self._store.leases.wake(tx, cluster_key(seen.cluster.id), effect.why)

    async def _answer(self, seen: Seen, counter: int, extra: Mapping[str, Any]) -> bytes:
        """Every answer tells the living API servers and carries the pending orders, signed.

        The orders of a cluster that is only observed wait with it.
        """
        orders = [
            {"id": order.id, "kind": order.kind, "arguments": dict(order.arguments)}
            for order in seen.orders
            if not seen.cluster.observe_only
        ]
        key = (await self._installed()).signing_key_pem
        signed = call_back.orders_text(seen.machine.id, counter, orders)
        whole = {
            **extra,
            "backends": effects.backends(seen.control_planes),
            "orders": orders,
            "ordersSignature": signatures.sign(key, signed),
        }
        return json.dumps(whole).encode()

    async def _persist(self, tx: Tx, machine: MachineId, counted: Last) -> None:
        await self._store.agents.advance(
            tx, machine, counted.counter, counted.digest, counted.answer
        )

    def _verified(self, message: Message, seen: Seen, last: Last | None) -> CallBack | None:
        """What the message says; None for the repeat of the last one. Raises Unaccepted."""
        bound = None
        if seen.agent is not None and last is not None:
            bound = call_back.Bound(seen.agent.public_key, last.counter, last.digest)
        verdict = call_back.verify(message, bound)
        if isinstance(verdict, call_back.Refused):
            raise Unaccepted(verdict.reason)
        if not seen.machine.is_wanted:
            raise Unaccepted(f"written off: {seen.machine.written_off_reason or 'gone'}")
        if isinstance(verdict, call_back.Repeat):
            return None
        said = callback.call_back(message.body)
        at = callback.moment(said.at)
        if (skew := first_contact.skew_refusal(at, self._clock.now())) is not None:
            raise Unaccepted(skew)
        return said

    def _waits_for(self, seen: Seen) -> str | None:
        cluster = seen.cluster
        if cluster.observe_only:
            return effects.OBSERVE_ONLY
        return effects.waits_for(
            seen.machine, seen.control_planes, cluster.endpoint, is_deleting=cluster.is_deleting
        )

    async def _refuse(self, machine_id: str, reason: str, source: str) -> Response:
        """Record and answer; every refusal looks the same."""
        if self._memory.may_record(machine_id):
            async with self._store.writing() as tx:
                await self._store.refusals.add(tx, machine_id, reason, source)
                await self._tell(tx, machine_id, reason, source)
        return JSONResponse({"message": "refused", "fieldViolations": []}, 403)

    async def _tell(self, tx: Tx, machine_id: str, reason: str, source: str) -> None:
        known = lookup.uuid(machine_id)
        machine = await self._store.machines.get(tx, MachineId(known)) if known else None
        if machine is not None and machine.gone_at is None:
            event: NewEvent = effects.refused(machine, reason, source)
            await self._store.events.append(tx, machine.cluster, event)

    async def _installed(self) -> Installation:
        if self._installation is None:
            async with self._store.writing() as tx:
                self._installation = await self._store.installation.get_or_make(tx)
        return self._installation
