"""Who is a machine, and what the platform signs: pure, with time handed in by the caller.

    first_contact   may this key speak for that machine?      (nonce + the cloud's own word)
    call_back       is this message new, repeated or forged?  (signature + counter)
    pki, kubeconfig the cluster's authorities and the clients that the platform makes with them
    platform_ca     the platform's own authority for its TLS

Keys come from the `cryptography` library's generator; nothing here does I/O.
"""
