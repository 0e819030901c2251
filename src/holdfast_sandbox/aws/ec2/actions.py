"""EC2: which action is answered by whom. What is in no table here is refused, loudly."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ec2.exceptions import FilterNotImplementedError
from moto.ec2.responses import EC2Response
from moto.utilities.utils import get_partition

from holdfast_sandbox.aws.ec2 import (
    addresses,
    dependants,
    describe,
    groups,
    lifecycle,
    nats,
    network,
    offers,
    start,
    tags,
    visibility,
    volumes,
)
from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.ec2.listing import describe as list_things
from holdfast_sandbox.aws.ec2.shapes import LISTINGS
from holdfast_sandbox.aws.ec2.tokens import once
from holdfast_sandbox.aws.errors import Answer, AwsError, Gap

Guard = Callable[[Ask], None]

OWN: Mapping[str, Callable[[Ask], Any]] = {
    "RunInstances": start.run,
    "TerminateInstances": lifecycle.terminate,
    "StopInstances": lifecycle.stop,
    "StartInstances": lifecycle.start,
    "GetConsoleOutput": lifecycle.console_output,
    "CancelSpotInstanceRequests": lifecycle.cancel_spot,
    "AllocateAddress": addresses.allocate,
    "AssociateAddress": addresses.associate,
    "DisassociateAddress": addresses.disassociate,
    "ReleaseAddress": addresses.release,
    "CreateNatGateway": nats.create,
    "DeleteNatGateway": nats.delete,
    "CreateNetworkInterface": network.create_link,
    **describe.ANSWERS,
    **offers.ANSWERS,
}
# What moto does well, with the checks that it lacks.
GUARDED: Mapping[str, tuple[Guard, ...]] = {
    "CreateVpc": (network.check_vpc,),
    "DeleteVpc": (dependants.check_vpc,),
    "ModifyVpcAttribute": (),
    "DescribeVpcAttribute": (),
    "CreateSubnet": (network.check_subnet,),
    "DeleteSubnet": (dependants.check_subnet,),
    "ModifySubnetAttribute": (),
    "CreateInternetGateway": (network.check_gateway,),
    "DeleteInternetGateway": (),
    "AttachInternetGateway": (dependants.check_gateway_attach,),
    "DetachInternetGateway": (dependants.check_gateway_detach,),
    "CreateRouteTable": (),
    "DeleteRouteTable": (dependants.check_table,),
    "AssociateRouteTable": (),
    "DisassociateRouteTable": (),
    "ReplaceRouteTableAssociation": (),
    "CreateRoute": (network.check_route,),
    "ReplaceRoute": (network.check_route,),
    "DeleteRoute": (),
    "CreateSecurityGroup": (groups.check_create,),
    "DeleteSecurityGroup": (dependants.check_group,),
    "AuthorizeSecurityGroupIngress": (groups.check_authorize,),
    "AuthorizeSecurityGroupEgress": (groups.check_authorize,),
    "RevokeSecurityGroupIngress": (),
    "RevokeSecurityGroupEgress": (),
    "UpdateSecurityGroupRuleDescriptionsIngress": (),
    "UpdateSecurityGroupRuleDescriptionsEgress": (),
    "DeleteNetworkInterface": (dependants.check_nic,),
    "AttachNetworkInterface": (network.check_link_attach,),
    "ModifyNetworkInterfaceAttribute": (network.check_link_groups,),
    "CreateVolume": (volumes.check_create,),
    "DeleteVolume": (dependants.check_volume,),
    "AttachVolume": (volumes.check_attach,),
    "DetachVolume": (volumes.check_detach,),
    "CreateSnapshot": (),
    "DeleteSnapshot": (),
    "CreateTags": (tags.check_create,),
    "DeleteTags": (),
    "CreateKeyPair": (),
    "ImportKeyPair": (),
    "DeleteKeyPair": (),
    "RebootInstances": (lifecycle.check_reboot,),
    "ModifyInstanceAttribute": (lifecycle.check_modify,),
    "DescribeInstanceAttribute": (lifecycle.check_known,),
    "ModifyInstanceMetadataOptions": (lifecycle.check_known,),
    "DescribeIamInstanceProfileAssociations": (),
    "DescribeDhcpOptions": (),
    "DescribeNetworkAcls": (),
    "DescribeVpcEndpoints": (),
    "DescribeVpcPeeringConnections": (),
    "CopyImage": (),
    "DeregisterImage": (),
}
AFTER: Mapping[str, Guard] = {
    "CreateSubnet": network.after_subnet,
    "ModifyNetworkInterfaceAttribute": network.after_link_groups,
}
SOURCES = {
    listing.result: (listing.source, listing.identity)
    for listing in (*LISTINGS.values(), describe.MACHINES)
}


# moto writes "pending" whatever the state is; a replayed launch must show the present one.
CHANGES = {
    path: change
    for path, change in EC2Response.RESPONSE_KEY_PATH_TO_TRANSFORMER.items()
    if path != "RunInstances.Reservation.Instances.Instance.State"
}


class Strict(EC2Response):
    """moto's EC2 responses, told who calls and where instead of guessing it from headers."""

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self.RESPONSE_KEY_PATH_TO_TRANSFORMER = CHANGES
        call = ask.call
        call.request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        self.setup_class(call.request)
        self.current_account, self.region = call.account, call.region
        self.partition = get_partition(call.region)
        self.params = call.params

    def by_moto(self, action: str) -> object:
        """What moto's method for the action answers."""
        result = getattr(self, camelcase_to_underscores(action))()
        return result.result if isinstance(result, ActionResult) else result

    def written(self, result: object) -> Answer:
        """The result as the wire has it."""
        status, headers, body = self.serialized(ActionResult(result))
        raw = body.encode() if isinstance(body, str) else body
        return Answer(int(status), raw, {str(k): str(v) for k, v in headers.items()})


def answer(ask: Ask) -> Answer:
    """Carry out one authorised EC2 call. Raises AwsError for every refusal."""
    action = ask.call.action
    if action not in OWN and action not in GUARDED and action not in LISTINGS:
        raise Gap("InvalidAction", f"The action {action} is not valid for this web service.")
    if ask.params.get("DryRun"):
        text = "Request would have succeeded, but DryRun flag is set."
        raise AwsError("DryRunOperation", text, 412)
    strict = Strict(ask)
    if action in LISTINGS:
        return strict.written(list_things(ask, LISTINGS[action]))
    if not ask.call.mutating:
        return strict.written(_carry_out(ask, strict))
    tags.check_specifications(ask)
    visibility.look(ask, SOURCES)
    result = once(ask, lambda: _carry_out(ask, strict))
    visibility.remember(ask, SOURCES)
    return strict.written(result)


def _carry_out(ask: Ask, strict: Strict) -> object:
    action = ask.call.action
    try:
        if action in OWN:
            return OWN[action](ask)
        for guard in GUARDED[action]:
            guard(ask)
        result = strict.by_moto(action)
        if action in AFTER:
            AFTER[action](ask)
    except FilterNotImplementedError as error:
        raise AwsError("InvalidParameterValue", str(error)) from error
    except ServiceException as error:
        raise AwsError(error.code, error.message) from error
    return result
