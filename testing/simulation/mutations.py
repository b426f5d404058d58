"""Mutations: deliberate mistakes in the shipped classes, each of which the simulation has to find.

A simulation that finds nothing says little unless it is known what it would find. Each row is one small
change, made at run time and taken back; the first ones are mistakes that the original once had
(ZOOKEEPER numbers), the others are those one could make when writing ZAB anew.

The changed functions are in ``mistakes.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from ...quorum import damage, learner_handler
from ...quorum.cnx_manager import QuorumCnxManager
from ...quorum.committed_log import CommittedLog
from ...quorum.election import FastLeaderElection
from ...quorum.leader import Leader
from ...quorum.learner import Learner
from ...quorum.learner_handler import LearnerHandler
from ...quorum.peer import QuorumPeer
from ...quorum.proposals import Proposal, Proposals
from ...quorum.session_trackers import LeaderSessionTracker
from ...quorum.state_summary import StateSummary
from ...quorum.verifier import Majority
from ...quorum.vote import Vote
from ...server.connection import ServerConnection
from ...server.container_manager import ContainerManager
from ...server.core import ServerCore
from ...server.database import ZKDatabase
from ...server.sessions import SessionTracker
from ...storage.epoch_files import EpochFiles
from ...storage.txn_log import TxnLog
from . import mistakes as wrong
from . import mistakes_damage as harm


class Mutation(NamedTuple):
    """A mistake.

    Attributes:
        name: what is done wrong.
        patches: pairs of an attribute (owner, name) and what takes its place.
        seen_as: the original's number, if it made the mistake.
    """

    name: str
    patches: tuple[tuple[Any, str, Any], ...]
    seen_as: str = ""


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Make a mistake for a while; an empty name makes none."""
    with ExitStack() as stack:
        for owner, attribute, changed in BY_NAME[name].patches if name else ():
            stack.enter_context(patch.object(owner, attribute, changed))
        yield


MUTATIONS: Final[tuple[Mutation, ...]] = (
    Mutation(
        "a damaged member votes with what it can still read", ((damage, "lose_trust", harm.cut_damage_off),)
    ),
    Mutation(
        "a damaged member votes with nothing",
        (
            (FastLeaderElection, "start", harm.start_with_nothing),
            (QuorumPeer, "last_zxid", property(harm.zxid_of_the_tree)),
        ),
        "ZOOKEEPER-2325",
    ),
    Mutation(
        "currentEpoch before the txns", ((Learner, "_save", wrong.epoch_before_txns),), "ZOOKEEPER-4643"
    ),
    Mutation(
        "NEWLEADER acked before the txns are durable",
        ((Learner, "_save_txns", wrong.save_without_waiting),),
        "ZOOKEEPER-4646, 4685, 3911",
    ),
    Mutation(
        "NEWLEADER acked before the snapshot is durable",
        ((Learner, "_save", wrong.ack_before_snapshot),),
        "ZOOKEEPER-3104, 4785",
    ),
    Mutation(
        "a hole left in the committed log",
        ((Learner, "_save_txns", wrong.save_txns_with_a_hole),),
        "ZOOKEEPER-4925",
    ),
    Mutation(
        "uncommitted proposals applied when synchronising",
        ((Learner, "_save_txns", wrong.apply_proposals_too),),
        "ZOOKEEPER-4394, 3023",
    ),
    Mutation(
        "fast-forward forgotten", ((QuorumPeer, "_fast_forward", wrong.no_fast_forward),), "ZOOKEEPER-2845"
    ),
    Mutation("counter overflow ignored", ((Leader, "propose", wrong.no_end_of_epochs),), "ZOOKEEPER-1277"),
    Mutation(
        "sessions of the old tree kept behind a SNAP",
        ((ZKDatabase, "adopt", wrong.adopt_without_sessions),),
        "ZOOKEEPER-2355",
    ),
    Mutation(
        "a dead tail of an older epoch is kept",
        ((learner_handler, "plan_sync", wrong.planned(wrong.keep_dead_tail)),),
        "ZOOKEEPER-2678",
    ),
    Mutation(
        "epochs of others not looked at, by leader and learner",
        ((Leader, "propose_epoch", wrong.own_epoch_only), (Learner, "_register", wrong.register_any)),
    ),
    Mutation("committed log not cleared", ((CommittedLog, "clear", wrong.clear_nothing),), "ZOOKEEPER-4925"),
    Mutation(
        "commit out of order",
        (
            (Proposals, "take_committed", wrong.take_any),
            (Leader, "start_forwarding", wrong.forward_from_now_on),
        ),
    ),
    Mutation(
        "leader asks nobody who is ahead",
        ((Leader, "epoch_accepted", wrong.synchronize_at_once), (Vote, "rank", property(wrong.rank_by_sid))),
    ),
    Mutation(
        "ack before fsync",
        ((Learner, "_log", wrong.ack_before_fsync), (Learner, "logged", wrong.logged_without_ack)),
    ),
    Mutation("log without fsync", ((TxnLog, "__init__", wrong.log_without_sync),)),
    Mutation("leader counts itself before its disk", ((Leader, "propose", wrong.count_before_disk),)),
    Mutation("commit without a quorum", ((Proposal, "has_quorum", property(wrong.has_one)),)),
    Mutation("quorum off by one", ((Majority, "contains_quorum", wrong.half_is_enough),)),
    Mutation("an ack counts for the next proposal too", ((Proposals, "acknowledge", wrong.ack_covers_more),)),
    Mutation("acceptedEpoch not persisted", ((EpochFiles, "_write", wrong.write_all_but("acceptedEpoch")),)),
    Mutation("currentEpoch not persisted", ((EpochFiles, "_write", wrong.write_all_but("currentEpoch")),)),
    Mutation("new epoch not larger", ((Leader, "propose_epoch", wrong.same_epoch_again),)),
    Mutation(
        "leader follows nobody who is ahead",
        (
            (StateSummary, "is_more_recent_than", wrong.follow_anybody),
            (Vote, "rank", property(wrong.rank_by_sid)),
        ),
    ),
    Mutation(
        "leader serves without a quorum", ((Leader, "newleader_acknowledged", wrong.serve_at_first_ack),)
    ),
    Mutation(
        "UPTODATE without the learner's ack", ((LearnerHandler, "epoch_settled", wrong.newleader_first),)
    ),
    Mutation(
        "proposals under way not forwarded to a joining follower",
        ((Leader, "start_forwarding", wrong.forward_from_now_on),),
    ),
    Mutation("proposals before UPTODATE not logged", ((Learner, "_serve", wrong.serve_without_pending),)),
    Mutation("leader does not step down", ((Leader, "_ping", wrong.ping_only),)),
    Mutation("a stale leader is listened to", ((Learner, "close", wrong.close_and_listen_on),)),
    Mutation("learner applies before the commit", ((Learner, "_broadcast", wrong.apply_when_proposed),)),
    Mutation("TRUNC forgotten", ((QuorumPeer, "truncate", wrong.forget_truncation),)),
    Mutation("TRUNC not synced", ((TxnLog, "truncate", wrong.truncate_without_sync),)),
    Mutation(
        "DIFF instead of TRUNC", ((learner_handler, "plan_sync", wrong.planned(wrong.diff_instead_of_trunc)),)
    ),
    Mutation(
        "DIFF without its last txn", ((learner_handler, "plan_sync", wrong.planned(wrong.one_too_few)),)
    ),
    Mutation(
        "DIFF without its first txn",
        (
            (learner_handler, "plan_sync", wrong.planned(wrong.one_in_the_middle_too_few)),
            (Learner, "_proposed", wrong.proposed_unchecked),
        ),
    ),
    Mutation(
        "the window taken for all history",
        ((learner_handler, "plan_sync", wrong.planned(wrong.window_is_everything)),),
    ),
    Mutation("election begins before the log is at rest", ((QuorumPeer, "_settle", wrong.settle_at_once),)),
    Mutation("votes without the zxid", ((Vote, "rank", property(wrong.rank_by_sid)),)),
    Mutation("election of the shortest history", ((Vote, "rank", property(wrong.rank_of_the_oldest)),)),
    Mutation("smaller sids are not called back", ((QuorumCnxManager, "_call_back", wrong.keep_smaller),)),
    Mutation("session owner not checked", ((LeaderSessionTracker, "check", wrong.check_owner_never),)),
    Mutation("REVALIDATE always says yes", ((Leader, "revalidate", wrong.always_valid),)),
    Mutation("REVALIDATE always says no", ((Leader, "revalidate", wrong.never_valid),)),
    Mutation("sessions expire twice", ((SessionTracker, "expired", wrong.expire_again),)),
    Mutation("requests of ended sessions taken", ((LeaderSessionTracker, "check", wrong.check_nothing),)),
    Mutation("a forwarded request taken twice", ((Leader, "forwarded", wrong.forwarded_twice),)),
    Mutation("watch events lost", ((ServerConnection, "notify", wrong.notify_nobody),)),
    Mutation("a client's last zxid not looked at", ((ServerCore, "connect", wrong.connect_anyway),)),
    Mutation("touches of learners' clients forgotten", ((Leader, "touch", wrong.no_touches),)),
    Mutation(
        "containers removed before their first child", ((ContainerManager, "_is_due", wrong.due_if_empty),)
    ),
    Mutation("a time to live counted from the creation", ((ContainerManager, "_is_due", wrong.due_by_age),)),
)
BY_NAME: Final = {mutation.name: mutation for mutation in MUTATIONS}
