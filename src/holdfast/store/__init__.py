"""The truth: the platform's own tables, one noun a file, behind `store.Store`.

    async with store.writing() as tx:
        await store.clusters.create(tx, cluster)
        await store.leases.wake(tx, cluster_key(cluster.id), Why.USER)

One fact is written in one transaction, together with the reason to look at it again.
"""
