"""The whole platform on virtual time: the same code, over clouds, clusters and agents in memory.

scenarios -> world -> process (store, engine, reconciler, API: unchanged)
              |          |           |            |
            disk      providers    kube        agents  <- effects: who watches or meddles
                                                          time, chance: one seed
"""
