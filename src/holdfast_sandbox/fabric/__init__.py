"""Virtual networks without an uplink: links, firewall, NAT, metadata, proxy and call-back.

    host                 internet (namespace)              network (namespace, one per VPC)
    proxy 127.0.0.1:P ==> sockets born here --w1--veth--wan-- NAT, firewall -- br0 -- vX -- machine
    platform 127.0.0.1 <== 198.18.0.2:443 (`expose`)         169.254.169.254 on br0

`fabric.LinuxFabric` is the door. Everything lives in namespaces held by children of this process
that die with it; the host's own links, routes and addresses are never touched.
"""
