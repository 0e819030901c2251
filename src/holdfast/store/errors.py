"""What the store refuses, one class per different reaction.

StoreError
+- NameTaken          tell the user: another name
+- Unknown            tell the user: there is no such thing
+- InUse              tell the user who uses it
+- LeaseLost          end the pass: another holder may act already
+- AlreadyBound       refuse the call-back: the machine has a key
+- OldCounter         refuse the call-back: a replay
+- DatabaseInUse      stop: another process serves this database
+- UnusableDatabase   stop: the URL or the file is not one that this release serves
+- Sealed             stop: the key does not open what is stored
+- NestedTransaction  our bug: a task asked for a second transaction while it holds one
"""


class StoreError(Exception):
    """Whatever the store refuses."""


class NameTaken(StoreError):
    """Another thing has this name; names are compared without case."""


class Unknown(StoreError):
    """There is no such thing."""


class InUse(StoreError):
    """The thing can't go while others use it."""


class LeaseLost(StoreError):
    """Another holder may act: nothing was written, the pass must end."""


class AlreadyBound(StoreError):
    """The machine is bound to another agent's key."""


class OldCounter(StoreError):
    """The call-back's counter is not above the last one."""


class DatabaseInUse(StoreError):
    """Another process holds the database's lock file."""


class UnusableDatabase(StoreError):
    """The database's URL, place or schema is not one that this release serves."""


class Sealed(StoreError):
    """A sealed value can't be opened: wrong key, or it was changed or moved."""


class NestedTransaction(StoreError):
    """A task asked for a transaction while it holds one; it would wait for itself."""
