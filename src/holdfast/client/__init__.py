"""The typed client of the public API.

calls   what to send and how to read the answer; no I/O
sse     how to read a stream of events; no I/O
sync    blocking, standard library only, because the command line must start fast
aio     asyncio, on httpx2
"""
