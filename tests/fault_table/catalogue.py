"""The faults that the platform must survive: what happens, and at which levels a test must show it.

P  pure: planner, bootstrap, validation, classes of errors
S  the simulation: seeded clouds, clusters and agents on virtual time
W  the cloud's own wire, met by its official SDK, and call-backs over HTTP
B  booted machines
"""

from dataclasses import dataclass

LEVELS = "PSWB"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row. `required` are the letters of the levels at which it needs a test."""

    id: str
    name: str
    situation: str
    required: str


def _row(text: str) -> Fault:
    number, name, required, situation = (part.strip() for part in text.split("|"))
    return Fault(number, name, situation, required)


CATALOGUE = tuple(
    _row(line)
    for line in """
F01 | crash_between_create_and_record | SW | the process dies after the create, before its record
F02 | id_lost_in_write_conflict | S | the create succeeds, saving its id fails, reads lag
F03 | user_tag_hides_ownership | PS | a user's tag has the key of one of ours
F04 | not_found_taken_as_gone | PSW | the cloud shows nothing of a machine that lives
F05 | eventual_consistency_after_create | SW | a thing is there and no listing shows it yet
F06 | name_conflict_after_lost_leader | SW | the name is taken by our own unrecorded thing
F07 | refresh_races_create | S | a listing right after the create sees nothing
F08 | timeout_then_success | SW | the create timed out, the machine comes minutes later
F09 | half_made_vm_leaves_parts | SW | an error, and yet a useless part is there
F10 | orphan_after_scale_down | SW | machines without a record outlive their cluster
F11 | controller_volumes_and_lbs_leak | SW | what the cluster's controllers made stays behind
F12 | delete_blocked_by_dependency | SWB | something foreign stands in the way of a deletion
F13 | half_the_vms_survive_delete | SW | a page of a listing is missing during a deletion
F14 | same_name_two_clusters | PSW | two clusters have the same name
F15 | name_or_address_reused | SW | another machine has a lost one's name or address
F16 | written_off_node_returns | SB | a machine that was written off comes back as it was
F17 | bootstrap_token_expired | S | a machine is slower than its right to join lasts
F18 | token_endless_or_leaked | PSWB | a secret is shown, or is good for others or for ever
F19 | secrets_in_user_data | PWB | user data or metadata give secrets away
F20 | user_data_too_big | PW | user data is over the cloud's limit
F21 | throttling_is_account_wide | SW | many clusters share the rate of one account
F22 | insufficient_capacity | PSW | an offering is sold out
F23 | spot_quota | PSW | the quota of spot machines is used up
F24 | cpu_or_droplet_quota | PSW | the quota leaves room for less than was asked for
F25 | address_exhaustion | PSW | a subnet or an account has no address left
F26 | node_never_joins | SB | a machine runs and never joins
F27 | image_vanished | SW | the machine image is withdrawn
F28 | pdb_blocks_drain | PSB | a disruption budget holds a drain up
F29 | volume_not_detached | S | a volume is still attached when its machine goes
F30 | spot_storm | SW | many spot machines are taken back at once
F31 | wrong_deadline | PS | an announced end has its own deadline
F32 | ghost_node_after_spot_loss | S | the machine is gone, its Node object stays
F33 | preempted_is_not_deleted | SW | a machine is stopped instead of ended
F34 | notice_for_another_cluster | SW | a cloud's message is about somebody else's machine
F35 | etcd_quorum_too_many_replaced | PSB | a repair would cost the quorum
F36 | dead_etcd_member_never_joined | PSB | a control plane dies while it joins
F37 | quorum_lost_for_good | SB | most control planes are lost
F38 | mass_replacement_on_network_fault | PSB | the observer is cut off, everything looks dead
F39 | one_sick_cluster_blocks_all | S | one cluster's API hangs
F40 | delete_needs_dead_cluster | SW | a cluster without a living API is deleted
F41 | credentials_revoked_midway | SW | the key is revoked while work is under way
F42 | certificates_expire | SB | a cluster outlives its certificates
F43 | clock_skew | PSW | a clock is wrong and looks like bad credentials
F44 | version_skew_in_upgrade | PS | workers would be newer than their control plane
F45 | restore_of_old_backup | S | the platform wakes up with an old database
F46 | two_leaders | S | an old leader goes on acting
F47 | autoscaler_flapping | PS | machines are replaced for next to no gain
F48 | limits_overshoot | PS | decisions that fit alone exceed a limit together
F49 | two_autoscalers | PS | somebody else's autoscaler is at work too
F50 | path_mtu_between_clouds | B | big packets are lost between clouds
F51 | wireguard_after_reboot | SB | the mesh is not whole after a restart
F52 | blocked_address_or_registry_limit | S | a registry refuses a machine's address
F53 | secret_with_stray_whitespace | P | a key was pasted with a line end
F54 | wrong_state_saved_on_failed_delete | S | a deletion fails in the middle
F55 | other_automation_deletes_nodes | SW | somebody deletes our machines again and again
F56 | forged_call_back | PSWB | a message is not from whom it says
F57 | replayed_call_back | PSWB | a recorded message is sent again
F58 | credential_of_another_account | PSW | a new key belongs to another account
F59 | credential_rotated_mid_operation | SW | a key is replaced between two steps
F60 | partial_region_outage | PSW | one API or zone fails, the others work
F61 | hidden_sdk_retry | W | the SDK repeats a call by itself
F62 | error_as_success | PW | an error comes as a normal answer
F63 | operation_handle_lost | SW | the only copy of an operation's name is lost
""".strip().splitlines()
)
