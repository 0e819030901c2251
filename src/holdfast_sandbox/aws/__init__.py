"""AWS on loopback: moto in process, made as strict as the cloud it stands in for.

moto reads some settings when it is imported, so they are set here, before any module of this
package can import it. Picture, from the wire inwards:

    front (WSGI, one lock) -> access -> faults -> answers of our own | ec2 over moto | moto
                                                                        |
                                            world: clock, tokens, faults, record, hypervisor
"""

import os

for _name, _value in {
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
    "MOTO_DISABLE_GLOBAL_CORS": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "",
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
}.items():
    os.environ[_name] = _value
