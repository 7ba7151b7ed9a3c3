"""What a node says when a peer, or its own setting, will not do: one sentence each."""


class NodeError(ValueError):
    """A setting, a file or a peer that cannot be used."""


class PeerUnreachable(NodeError):
    """A peer that does not answer, or goes away; asked again later, it may."""


class PeerRefuses(NodeError):
    """A peer that answers and says no; asked again, it would say the same."""


class NothingOffered(PeerRefuses):
    """A peer that offers nothing of what was asked for."""
